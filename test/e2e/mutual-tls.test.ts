import { createHash, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import {
  type ClientRegistrationInput,
  changeClientRequirements,
} from '../../src/commands/clients.ts';
import type { Person } from '../support/admin.ts';
import { type Certificate, makeCertificate } from '../support/certificates.ts';
import { newBrowser, post } from '../support/client-app.ts';
import { type MutualTlsServer, startMutualTlsServer } from '../support/mutual-tls.ts';
import { ENGINES, type TestServer } from '../support/server.ts';

const SUBJECT = [
  ['C', 'DE'],
  ['O', 'Before, after'],
  ['CN', 'shop'],
] as const;
const NAMES = {
  subject: SUBJECT,
  dns: 'shop.example',
  uri: 'spiffe://example/shop',
  ip: '10.1.2.3',
  email: 'shop@mail.example',
};

const clientCa = makeCertificate({ subject: [['CN', 'authority of clients']], isAuthority: true });
const otherCa = makeCertificate({ subject: [['CN', 'authority of clients']], isAuthority: true });
const trusted = makeCertificate({ ...NAMES, issuer: clientCa });
const forged = makeCertificate({ ...NAMES, issuer: otherCa });
const namesake = makeCertificate({ ...NAMES });
const expired = makeCertificate({ ...NAMES, issuer: clientCa, notAfter: new Date(Date.now() - 1) });
const another = makeCertificate({ subject: [['CN', 'another']], issuer: clientCa });

const machine: Partial<ClientRegistrationInput> = {
  redirectUris: [],
  postLogoutRedirectUris: [],
  permissions: { grantTypes: ['client_credentials'], responseTypes: [], scopes: ['*'] },
};
const byName: Partial<ClientRegistrationInput> = {
  ...machine,
  certificateSubject: { type: 'san_dns', value: NAMES.dns },
  requirements: { certificateBoundTokens: true },
};
const refused = { error: 'invalid_client' };

describe.each(ENGINES)('mutual TLS, on %s', (engine) => {
  let server: TestServer;
  let tls: MutualTlsServer;
  let person: Person;

  beforeAll(async () => {
    tls = await startMutualTlsServer({
      engine,
      authority: clientCa,
      env: {
        TRUST_PROXY: 'true',
        CLIENT_CERT_HEADER: 'Client-Cert',
        CLIENT_CERT_VERIFY_HEADER: 'Client-Verify',
        CLIENT_CERT_PROXIES: '127.0.0.1',
      },
    });
    server = tls.server;
    person = await server.admin.person();
  });
  afterAll(() => tls?.stop());

  const registered = (input: Partial<ClientRegistrationInput>) => server.admin.client(input);

  const grant = async (clientId: string, certificate?: Certificate) =>
    oidc.clientCredentialsGrant((await tls.connect(clientId, certificate)).config);

  test('has addresses of its own, which discovery tells, and no pages', async () => {
    const { config } = await tls.connect((await registered(byName)).clientId);
    const metadata = config.serverMetadata();
    expect(metadata.token_endpoint_auth_methods_supported).toEqual(
      expect.arrayContaining(['tls_client_auth', 'self_signed_tls_client_auth']),
    );
    expect(metadata.mtls_endpoint_aliases).toMatchObject({
      token_endpoint: `${tls.origin}/connect/token`,
      userinfo_endpoint: `${tls.origin}/connect/userinfo`,
      pushed_authorization_request_endpoint: `${tls.origin}/connect/par`,
    });
    for (const path of ['/', '/connect/authorize', '/.well-known/openid-configuration']) {
      expect((await tls.overTls()(tls.origin + path)).status).toBe(404);
    }
  });

  test.each([
    { type: 'subject_dn', value: 'CN=shop,O=Before\\, after,C=DE' },
    { type: 'san_dns', value: NAMES.dns },
    { type: 'san_uri', value: NAMES.uri },
    { type: 'san_ip', value: NAMES.ip },
    { type: 'san_email', value: NAMES.email },
  ] as const)('knows a client by the $type of a certificate that is vouched for', async (name) => {
    const { clientId } = await registered({ ...machine, certificateSubject: name });
    expect(await grant(clientId, trusted)).toMatchObject({ token_type: 'bearer' });
    for (const certificate of [another, forged, namesake, expired, undefined]) {
      await expect(grant(clientId, certificate)).rejects.toMatchObject(refused);
    }
  });

  test('knows a client by a certificate that is among its keys', async () => {
    const { clientId } = await registered({
      ...machine,
      authenticationMethod: 'self_signed_tls_client_auth',
      jwks: { keys: [namesake.jwk] },
    });
    expect(await grant(clientId, namesake)).toMatchObject({ token_type: 'bearer' });
    for (const certificate of [trusted, undefined]) {
      await expect(grant(clientId, certificate)).rejects.toMatchObject(refused);
    }
  });

  describe('binds tokens', () => {
    test('to the certificate, as introspection tells', async () => {
      const app = await tls.connect((await registered(byName)).clientId, trusted);
      const { access_token: token } = await oidc.clientCredentialsGrant(app.config);
      const thumbprint = createHash('sha256').update(new X509Certificate(trusted.cert).raw);
      expect(await oidc.tokenIntrospection(app.config, token)).toMatchObject({
        active: true,
        cnf: { 'x5t#S256': thumbprint.digest('base64url') },
      });
    });

    test('of people: userinfo and refreshing want the same certificate', async () => {
      const { clientId } = await registered({
        clientType: 'public',
        requirements: { certificateBoundTokens: true },
      });
      const app = await tls.connect(clientId, trusted, oidc.None());
      const { tokens } = await app.signIn(newBrowser(server), person);
      const claims = await oidc.fetchUserInfo(app.config, tokens.access_token, person.sub);
      expect(claims.sub).toBe(person.sub);

      for (const certificate of [another, undefined]) {
        const thief = await tls.connect(clientId, certificate, oidc.None());
        await expect(
          oidc.fetchUserInfo(thief.config, tokens.access_token, person.sub),
        ).rejects.toMatchObject({ status: 401 });
        await expect(thief.refresh(tokens.refresh_token ?? '')).rejects.toMatchObject({
          error: 'invalid_grant',
        });
      }
      const refreshed = await app.refresh(tokens.refresh_token ?? '');
      await oidc.fetchUserInfo(app.config, refreshed.access_token, person.sub);
    });

    test('of a client of which it is required, from its next request on', async () => {
      const client = await registered(machine);
      const form = { grant_type: 'client_credentials' };
      expect((await post(server, '/connect/token', form, { client })).status).toBe(200);
      await server.admin.run(changeClientRequirements, {
        clientId: client.clientId,
        requirements: { certificateBoundTokens: true },
      });
      expect(await post(server, '/connect/token', form, { client })).toMatchObject({
        status: 400,
        body: { error: 'invalid_grant' },
      });
    });
  });

  test('takes proofs of possession for its addresses', async () => {
    const { clientId } = await registered({
      ...byName,
      requirements: { dpop: true },
    });
    const { config } = await tls.connect(clientId, trusted);
    const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'));
    const granted = await oidc.clientCredentialsGrant(config, {}, { DPoP });
    expect(granted.token_type).toBe('dpop');
  });

  describe('behind a proxy', () => {
    const pem = (certificate: Certificate) => encodeURIComponent(certificate.cert);
    const rfc9440 = (certificate: Certificate) =>
      `:${new X509Certificate(certificate.cert).raw.toString('base64')}:`;

    const ask = (client_id: string, headers: Record<string, string>) =>
      post(server, '/connect/token', { grant_type: 'client_credentials', client_id }, { headers });

    test('takes what it passes on, in either form, and its word for it', async () => {
      const { clientId } = await registered(byName);
      for (const header of [pem(trusted), rfc9440(trusted)]) {
        const passedOn = { 'client-cert': header, 'client-verify': 'SUCCESS' };
        expect((await ask(clientId, passedOn)).status).toBe(200);
      }
      const unheard: Record<string, string>[] = [
        { 'client-cert': pem(namesake), 'client-verify': 'FAILED:self-signed certificate' },
        { 'client-cert': pem(trusted) },
        { 'client-cert': pem(expired), 'client-verify': 'SUCCESS' },
        { 'client-cert': 'nonsense', 'client-verify': 'SUCCESS' },
        { 'client-verify': 'SUCCESS' },
      ];
      for (const headers of unheard) {
        expect(await ask(clientId, headers)).toMatchObject({ status: 401, body: refused });
      }
    });

    test('takes a certificate among the client’s keys that the proxy could not verify', async () => {
      const { clientId } = await registered({
        ...machine,
        authenticationMethod: 'self_signed_tls_client_auth',
        jwks: { keys: [namesake.jwk] },
      });
      const headers = { 'client-cert': pem(namesake), 'client-verify': 'FAILED' };
      expect((await ask(clientId, headers)).status).toBe(200);
    });

    test('believes no such header of a connection that is not the proxy’s', async () => {
      const { clientId } = await registered(byName);
      const answer = await tls.overTls()(`${tls.origin}/connect/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId }),
        headers: { 'client-cert': pem(trusted), 'client-verify': 'SUCCESS' },
      });
      expect([answer.status, await answer.json()]).toMatchObject([401, refused]);
    });
  });
});
