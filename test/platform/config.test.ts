import { BlockList } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { MAX_LEEWAY } from '../../src/domain/grant.ts';
import { ConfigError, loadConfig, settings } from '../../src/platform/config.ts';

const KEY = Buffer.from(Array.from({ length: 32 }, (_, i) => (i * 7 + 3) % 256));
const production = {
  DATABASE_URL: 'postgres://muniment:hunter2@db/muniment',
  MASTER_KEY: KEY.toString('base64'),
};

function problemsOf(env: Record<string, string>): Record<string, string> {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) {
      return Object.fromEntries(error.problems.map((each) => [each.variable, each.message]));
    }
    throw error;
  }
  return {};
}

describe('loadConfig', () => {
  test('needs nothing', () => {
    expect(loadConfig({})).toEqual({
      issuer: 'http://localhost:3000',
      port: 3000,
      adminPort: 3001,
      host: '127.0.0.1',
      dataDir: '.muniment',
      databaseUrl: null,
      eventStoreUrl: null,
      masterKey: null,
      signingAlgorithms: ['RS256', 'ES256'],
      workers: 1,
      trustProxy: false,
      clientCertHeader: null,
      clientCertVerifyHeader: null,
      clientCertProxies: null,
      mtlsPort: null,
      mtlsCertFile: null,
      mtlsKeyFile: null,
      mtlsCaFile: null,
      mtlsUrl: null,
      adminUsername: 'admin',
      adminPassword: null,
      adminClientSecret: null,
      refreshTokenLeeway: 30,
      keyRotationDays: 90,
      keyAnnouncementDays: 14,
      keyRetentionDays: 14,
      requirePushedRequests: false,
      selfRegistration: false,
      requireDpopNonce: false,
      clientRegistration: 'off',
      clientRegistrationScopes: ['openid', 'profile', 'email', 'offline_access'],
      clientMetadataHosts: [],
      unusedClientDays: 90,
      logoutEndsOfflineAccess: false,
      passwordChangeEnds: 'grants',
      userDisableEnds: 'grants',
      clientDisableEnds: 'nothing',
      pruning: true,
      pruningPeriod: 3600,
      pruneTokens: true,
      pruneAuthorizations: true,
      minimumTokenLifespan: 1_209_600,
      minimumAuthorizationLifespan: 1_209_600,
      verifyPeriod: 60,
      allowedPrivateHosts: [],
      logLevel: 'info',
      demo: true,
      metrics: 'on',
      operations: null,
      shutdownTimeout: 10,
    });
  });

  test('takes an empty variable for an absent one', () => {
    const empty = Object.fromEntries(settings.map(({ variable }) => [variable, '']));
    expect(loadConfig(empty)).toEqual(loadConfig({}));
  });

  test('reads every variable', () => {
    const env = {
      ...production,
      ISSUER: 'https://login.example.com/auth',
      PORT: '8080',
      ADMIN_PORT: '8081',
      HOST: '0.0.0.0',
      DATA_DIR: '/var/lib/muniment',
      EVENTSTORE_URL: 'esdb+discover://admin:changeit@one:2113,two:2113?tls=true',
      WORKERS: '4',
      TRUST_PROXY: 'true',
      CLIENT_CERT_HEADER: 'X-Client-Cert',
      CLIENT_CERT_VERIFY_HEADER: 'X-Client-Verify',
      CLIENT_CERT_PROXIES: '10.0.0.2, 10.1.0.0/16,fd00::/8',
      MTLS_PORT: '8443',
      MTLS_CERT_FILE: '/etc/muniment/cert.pem',
      MTLS_KEY_FILE: '/etc/muniment/key.pem',
      MTLS_CA_FILE: '/etc/muniment/ca.pem',
      MTLS_URL: 'https://mtls.example.com',
      ADMIN_USERNAME: 'root of all',
      ADMIN_PASSWORD: 'correct horse battery staple',
      ADMIN_CLIENT_SECRET: 's'.repeat(32),
      REFRESH_TOKEN_LEEWAY: '0',
      REQUIRE_PAR: 'true',
      SELF_REGISTRATION: 'true',
      REQUIRE_DPOP_NONCE: 'true',
      LOGOUT_ENDS_OFFLINE_ACCESS: 'true',
      PASSWORD_CHANGE_ENDS: 'sessions',
      USER_DISABLE_ENDS: 'nothing',
      CLIENT_DISABLE_ENDS: 'grants',
      PRUNING: 'false',
      PRUNING_PERIOD: '60',
      PRUNE_TOKENS: 'false',
      PRUNE_AUTHORIZATIONS: 'false',
      MINIMUM_TOKEN_LIFESPAN: '600',
      MINIMUM_AUTHORIZATION_LIFESPAN: '601',
      VERIFY_PERIOD: '0',
      SIGNING_ALGORITHMS: 'EdDSA, RS256,EdDSA',
      KEY_ROTATION_DAYS: '30',
      KEY_ANNOUNCEMENT_DAYS: '0',
      KEY_RETENTION_DAYS: '2',
      CLIENT_REGISTRATION: 'open',
      CLIENT_REGISTRATION_SCOPES: 'openid, files:read',
      CLIENT_METADATA_HOSTS: 'tool.example, *.Inn.example,localhost:8443',
      UNUSED_CLIENT_DAYS: '7',
      ALLOWED_PRIVATE_HOSTS: 'Keys.internal, localhost:8443,[::1]:8443',
      LOG_LEVEL: 'debug',
      DEMO: 'true',
      METRICS: 'off',
      PERSISTED_OPERATIONS: '/etc/muniment/operations.json',
      SHUTDOWN_TIMEOUT: '25',
    };
    expect(Object.keys(env).sort()).toEqual(settings.map(({ variable }) => variable).sort());
    expect(loadConfig(env)).toEqual({
      issuer: env.ISSUER,
      port: 8080,
      adminPort: 8081,
      host: '0.0.0.0',
      dataDir: env.DATA_DIR,
      databaseUrl: env.DATABASE_URL,
      eventStoreUrl: env.EVENTSTORE_URL,
      masterKey: KEY,
      workers: 4,
      trustProxy: true,
      clientCertHeader: 'x-client-cert',
      clientCertVerifyHeader: 'x-client-verify',
      clientCertProxies: expect.any(BlockList),
      mtlsPort: 8443,
      mtlsCertFile: env.MTLS_CERT_FILE,
      mtlsKeyFile: env.MTLS_KEY_FILE,
      mtlsCaFile: env.MTLS_CA_FILE,
      mtlsUrl: env.MTLS_URL,
      adminUsername: env.ADMIN_USERNAME,
      adminPassword: env.ADMIN_PASSWORD,
      adminClientSecret: env.ADMIN_CLIENT_SECRET,
      refreshTokenLeeway: 0,
      requirePushedRequests: true,
      selfRegistration: true,
      requireDpopNonce: true,
      logoutEndsOfflineAccess: true,
      passwordChangeEnds: 'sessions',
      userDisableEnds: 'nothing',
      clientDisableEnds: 'grants',
      pruning: false,
      pruningPeriod: 60,
      pruneTokens: false,
      pruneAuthorizations: false,
      minimumTokenLifespan: 600,
      minimumAuthorizationLifespan: 601,
      verifyPeriod: 0,
      signingAlgorithms: ['EdDSA', 'RS256'],
      keyRotationDays: 30,
      keyAnnouncementDays: 0,
      keyRetentionDays: 2,
      clientRegistration: 'open',
      clientRegistrationScopes: ['openid', 'files:read'],
      clientMetadataHosts: ['tool.example', '*.inn.example', 'localhost:8443'],
      unusedClientDays: 7,
      allowedPrivateHosts: ['keys.internal', 'localhost:8443', '[::1]:8443'],
      logLevel: 'debug',
      demo: true,
      metrics: 'off',
      operations: '/etc/muniment/operations.json',
      shutdownTimeout: 25,
    });
  });

  test('takes certificates from a proxy only where it is known, and from connections only with keys', () => {
    expect(problemsOf({ CLIENT_CERT_HEADER: 'X-Client-Cert', MTLS_PORT: '8443' })).toEqual({
      TRUST_PROXY: 'must be true with CLIENT_CERT_HEADER',
      CLIENT_CERT_PROXIES: 'is required with CLIENT_CERT_HEADER',
      MTLS_CERT_FILE: 'is required with MTLS_PORT',
      MTLS_KEY_FILE: 'is required with MTLS_PORT',
    });
    expect(problemsOf({ MTLS_URL: 'https://mtls.example.com' })).toEqual({
      MTLS_URL: 'goes with MTLS_PORT or CLIENT_CERT_HEADER',
    });
  });

  test.each(['proxy.internal', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0.1,', '::1/x'])(
    'does not take %s for the address of a proxy',
    (value) => {
      expect(Object.keys(problemsOf({ CLIENT_CERT_PROXIES: value }))).toEqual([
        'CLIENT_CERT_PROXIES',
      ]);
    },
  );

  test('reports every problem at once, each by its variable, and no value of a secret', () => {
    const canary = 'canary-canary';
    const env = {
      ISSUER: 'http://login.example.com',
      PORT: 'http',
      ADMIN_PORT: '70000',
      HOST: 'not a host',
      DATABASE_URL: `mysql://u:${canary}@db/x`,
      EVENTSTORE_URL: `kurrentdb://u:${canary}@db`,
      MASTER_KEY: canary,
      TRUST_PROXY: 'yes',
      ADMIN_USERNAME: ' ',
      ADMIN_PASSWORD: 'canary',
      ADMIN_CLIENT_SECRET: canary,
      REFRESH_TOKEN_LEEWAY: String(MAX_LEEWAY + 1),
      REQUIRE_PAR: 'yes',
      SELF_REGISTRATION: 'yes',
      LOGOUT_ENDS_OFFLINE_ACCESS: 'yes',
      PASSWORD_CHANGE_ENDS: 'all',
      USER_DISABLE_ENDS: 'all',
      CLIENT_DISABLE_ENDS: 'sessions',
      PRUNING: 'yes',
      PRUNING_PERIOD: '59',
      PRUNE_TOKENS: 'yes',
      PRUNE_AUTHORIZATIONS: 'yes',
      MINIMUM_TOKEN_LIFESPAN: '599',
      MINIMUM_AUTHORIZATION_LIFESPAN: '599',
      VERIFY_PERIOD: '86401',
      SIGNING_ALGORITHMS: 'RS256,HS256',
      KEY_ROTATION_DAYS: '0',
      KEY_ANNOUNCEMENT_DAYS: '-1',
      KEY_RETENTION_DAYS: '1',
      CLIENT_REGISTRATION: 'closed',
      CLIENT_REGISTRATION_SCOPES: 'openid admin:users:read',
      CLIENT_METADATA_HOSTS: 'https://tool.example',
      UNUSED_CLIENT_DAYS: '0',
      ALLOWED_PRIVATE_HOSTS: 'https://keys.internal',
      LOG_LEVEL: 'loud',
      DEMO: '1',
      METRICS: 'short',
      PERSISTED_OPERATIONS: ' ',
      SHUTDOWN_TIMEOUT: '1.5',
    };
    expect(Object.keys(problemsOf(env)).sort()).toEqual(Object.keys(env).sort());
    expect(() => loadConfig(env)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('canary') }),
    );
    expect(() => loadConfig(env)).toThrow(
      /^the configuration is not valid:\n {2}ISSUER must begin/,
    );
  });

  test('reports a wrong port as that, and not as a wrong issuer', () => {
    expect(problemsOf({ PORT: 'x' })).toEqual({ PORT: 'must be a whole number from 0 to 65535' });
    expect(problemsOf({ PORT: '99999' })).toEqual({ PORT: 'must be at most 65535' });
  });

  test.each([
    ['4000', 'http://localhost:4000'],
    ['80', 'http://localhost'],
  ])('lets the issuer on this machine follow port %s', (port, issuer) => {
    expect(loadConfig({ PORT: port }).issuer).toBe(issuer);
  });

  test('keeps the two listeners apart, unless any free port will do', () => {
    expect(problemsOf({ PORT: '3001' })).toEqual({ ADMIN_PORT: 'must not be the same as PORT' });
    expect(problemsOf({ PORT: '0', ADMIN_PORT: '0', ISSUER: 'http://localhost:1' })).toEqual({});
  });

  test('asks for the master key where the database is not ours, and brings no demo there', () => {
    expect(problemsOf({ DATABASE_URL: production.DATABASE_URL })).toEqual({
      MASTER_KEY: expect.stringMatching(/32 random bytes.*required with DATABASE_URL/),
    });
    expect(loadConfig(production).demo).toBe(false);
    expect(loadConfig({ ...production, DEMO: 'true' }).demo).toBe(true);
    expect(loadConfig({ DEMO: 'false' }).demo).toBe(false);
  });
});

describe('ISSUER', () => {
  test.each([
    'https://login.example.com',
    'https://example.com:8443/realms/one',
    'http://127.0.0.1:3000',
    'http://[::1]:3000',
    'http://auth.localhost:3000',
  ])('may be %s', (issuer) => {
    expect(loadConfig({ ISSUER: issuer }).issuer).toBe(issuer);
  });

  test.each([
    ['login.example.com', /must be a URL/],
    ['ftp://login.example.com', /must be a URL/],
    ['http://login.example.com', /must begin with https/],
    ['http://localhost.example.com', /must begin with https/],
    ['http://127.0.0.1.example.com', /must begin with https/],
    ['https://login.example.com/', /slash/],
    ['https://login.example.com?x=1', /query/],
    ['https://login.example.com#', /fragment/],
    ['https://user@login.example.com', /user name/],
    ['https://Login.example.com', /must be written https:\/\/login\.example\.com$/],
    ['https://login.example.com:443', /must be written https:\/\/login\.example\.com$/],
    ['https://login.example.com/a/../b', /must be written/],
  ])('may not be %s', (issuer, message) => {
    expect(problemsOf({ ISSUER: issuer })).toEqual({ ISSUER: expect.stringMatching(message) });
  });
});

describe('MASTER_KEY', () => {
  test.each([
    KEY.toString('base64'),
    KEY.toString('base64url'),
    KEY.toString('hex'),
    KEY.toString('hex').toUpperCase(),
  ])('may be written %s', (written) => {
    expect(loadConfig({ MASTER_KEY: written }).masterKey).toEqual(KEY);
  });

  test.each([
    KEY.subarray(1).toString('base64'),
    Buffer.concat([KEY, KEY]).toString('base64'),
    KEY.subarray(1).toString('hex'),
    '0'.repeat(64),
    Buffer.alloc(32, 'secret').toString('base64'),
    'a password that somebody thought up',
  ])('may not be %s', (written) => {
    expect(problemsOf({ MASTER_KEY: written })).toHaveProperty('MASTER_KEY');
  });
});

describe('settings', () => {
  test('describe every variable in a sentence, with the default it really has', () => {
    for (const { variable, default: byDefault, description } of settings) {
      expect(description).toMatch(/\.$/);
      if (byDefault === null) continue;
      expect(loadConfig({ [variable]: byDefault })).toEqual(loadConfig({}));
    }
  });
});
