import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { BlockList } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { takeClientCertificate } from '../../src/platform/client-certificates.ts';
import { makeCertificate } from '../support/certificates.ts';

const { cert } = makeCertificate();
const inHeader = encodeURIComponent(cert);
const addresses = new BlockList();
addresses.addSubnet('10.0.0.0', 8, 'ipv4');
const proxy = { header: 'client-cert', verifyHeader: 'client-verify', addresses };

function request(remoteAddress: string, headers: Record<string, string>) {
  return { headers, socket: { remoteAddress } } as unknown as IncomingMessage;
}

describe('a certificate that comes in a header', () => {
  test.each(['10.1.2.3', '::ffff:10.1.2.3'])('is taken from the proxy, at %s', (address) => {
    const sent = request(address, { 'client-cert': inHeader, 'client-verify': 'SUCCESS' });
    const found = takeClientCertificate(sent, proxy);
    expect(found?.verified).toBe(true);
    expect(found?.certificate.raw).toEqual(new X509Certificate(cert).raw);
  });

  test.each(['192.0.2.1', '::1', '::ffff:192.0.2.1', ''])('is not taken from %j', (address) => {
    const sent = request(address, { 'client-cert': inHeader, 'client-verify': 'SUCCESS' });
    expect(takeClientCertificate(sent, proxy)).toBeUndefined();
  });

  test('goes no further in it, from wherever it comes', () => {
    for (const address of ['10.1.2.3', '192.0.2.1']) {
      const sent = request(address, { 'client-cert': inHeader, 'client-verify': 'x', host: 'a' });
      takeClientCertificate(sent, proxy);
      expect(sent.headers).toEqual({ host: 'a' });
    }
  });

  test('is verified where the proxy says so, or where it passes on no others', () => {
    const take = (headers: Record<string, string>, verifyHeader: string | null) =>
      takeClientCertificate(request('10.0.0.1', { 'client-cert': inHeader, ...headers }), {
        ...proxy,
        verifyHeader,
      })?.verified;
    expect(take({}, 'client-verify')).toBe(false);
    expect(take({ 'client-verify': 'NONE' }, 'client-verify')).toBe(false);
    expect(take({ 'client-verify': 'SUCCESS, FAILED' }, 'client-verify')).toBe(false);
    expect(take({}, null)).toBe(true);
  });

  test.each([
    ['that is two', `${inHeader}, ${inHeader}`.replaceAll('%0A', '')],
    ['that is no certificate', 'nonsense'],
    ['with no bytes in it', '::'],
    ['with a broken escape', '%E0%A4%A'],
    [
      'that is not valid yet',
      encodeURIComponent(makeCertificate({ notBefore: new Date(Date.now() + 60_000) }).cert),
    ],
  ])('counts for nothing when it is one %s', (_, value) => {
    const sent = request('10.0.0.1', { 'client-cert': value, 'client-verify': 'SUCCESS' });
    expect(takeClientCertificate(sent, proxy)).toBeUndefined();
  });
});
