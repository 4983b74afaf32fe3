import type { IncomingMessage } from 'node:http';
import { BlockList } from 'node:net';
import { TLSSocket } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import { receive } from '../../../src/oidc/clients/mutual-tls.ts';

const issuer = 'https://login.example';
const origin = 'https://mtls.login.example';
const proxy = { header: 'client-cert', verifyHeader: null, addresses: new BlockList() };

function at(host: string, trustProxy: boolean) {
  const request = { headers: { host }, socket: {} } as unknown as IncomingMessage;
  return receive(request, { proxy, origin }, { issuer, trustProxy });
}

describe('a request that comes by a proxy', () => {
  test('was sent to the address for mutual TLS where the proxy says so, and otherwise to the issuer', () => {
    expect(at('mtls.login.example', true)).toBe(origin);
    expect(at('login.example', true)).toBe(issuer);
    expect(at('evil.example', true)).toBe(issuer);
  });

  test('was sent to the issuer where no proxy is to be believed', () => {
    expect(at('mtls.login.example', false)).toBe(issuer);
  });
});

test('a request over TLS comes from where it comes from, whatever it says of that', () => {
  const socket = Object.create(TLSSocket.prototype, {
    getPeerX509Certificate: { value: () => undefined },
  });
  const headers = { host: 'login.example', 'x-forwarded-for': '192.0.2.1' };
  const request = { headers, socket } as unknown as IncomingMessage;
  expect(receive(request, { proxy, origin }, { issuer, trustProxy: true })).toBe(origin);
  expect(request.headers).toEqual({ host: 'login.example' });
});
