import fc from 'fast-check';
import type { ClientRegistration } from '../../src/domain/client.ts';
import { PROTECTED_BY_DEFAULT } from '../../src/domain/client-responses.ts';
import type { Decider, Wish } from '../../src/domain/decider.ts';
import { streamOf } from '../../src/domain/decider.ts';
import { deciders } from '../../src/domain/index.ts';

type Deciders = typeof deciders;
export type EntityName = keyof Deciders;

type WishesOf<D> = D extends Decider<infer _S, infer W, infer _F> ? W : never;

/** What can be wished of one entity. The first wish begins its life. */
type WishArbitraries<W> = { readonly [T in keyof W]: fc.Arbitrary<W[T]> };

const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record<T>(model, { noNullPrototype: true });

const text = fc.constantFrom('', 'one', 'two', 'drei \u{1f511}', '"\'\\');
const maybeText = fc.option(text);
const nothing = fc.constant({});
/** Names that somebody may well choose, and that every JavaScript object knows already. */
const name = fc.constantFrom('red', 'blue', 'toString', '__proto__');
const names = fc.uniqueArray(name);
const scopes = fc.uniqueArray(fc.constantFrom('openid', 'email', 'orders'));
const resources = fc.dictionary(name, scopes, { maxKeys: 2, noNullPrototype: true });
// As it comes out of JSON text, which has no -0.
const jsonValue = fc.jsonValue({ maxDepth: 1 }).map((value) => JSON.parse(JSON.stringify(value)));
const json = fc.dictionary(name, jsonValue, {
  maxKeys: 2,
  noNullPrototype: true,
});
const lifetime = fc.option(fc.integer({ min: 1, max: 3600 }));
/** Ten minutes of one morning, from so many minutes past eight. */
const instantFrom = (minutes: number) =>
  fc
    .integer({ min: 0, max: 600 })
    .map((seconds) => new Date(Date.UTC(2026, 0, 1, 8, minutes, seconds)).toISOString());
const instant = instantFrom(0);
const format = fc.constantFrom('reference', 'jwt');
const roles = fc.uniqueArray(fc.constantFrom('auditor', 'operator'));
const terms = { scopes, claims: names, resources };
const declined = record(terms);

/** Few, so that they meet again; the entity's own, as those of random values are. */
const digestIn = (id: string, kind: string) =>
  fc.constantFrom(1, 2).map((n) => `${kind} ${n} of ${id}`);

const issuedIn = (id: string, kind: string) => ({
  digest: digestIn(id, kind),
  issuedAt: instant,
  expiresAt: instantFrom(5),
  scopes,
  parameters: json,
});

const presentation = {
  displayName: text,
  description: text,
  clientUri: maybeText,
  logoUri: maybeText,
  policyUri: maybeText,
  tosUri: maybeText,
};
const authenticationMethod = fc.constantFrom(
  'none',
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
);
const certificateSubject = fc.option(
  record({ type: fc.constantFrom('san_dns', 'san_uri'), value: fc.constant('a.example') }),
);
const profile = fc.constantFrom('none', 'oauth2.1', 'fapi2');
const consentType = fc.constantFrom('explicit', 'implicit', 'external', 'systematic');
const redirectUris = fc.subarray(['https://a.example', 'https://b.example']);
const permissions = record({
  endpoints: fc.subarray(['*', 'token']),
  authorizationDetailTypes: names,
  grantTypes: fc.subarray(['authorization_code', 'refresh_token', 'client_credentials']),
  responseTypes: fc.subarray(['code']),
  scopes,
});
const requirements = record({
  pkce: fc.boolean(),
  pushedAuthorizationRequests: fc.boolean(),
  signedRequestObjects: fc.boolean(),
  dpop: fc.boolean(),
  dpopNonce: fc.boolean(),
  certificateBoundTokens: fc.boolean(),
});
const logout = record({
  backchannelUri: fc.constantFrom(null, 'https://a.example/logout'),
  frontchannelUri: fc.constantFrom(null, 'https://a.example/frame'),
  sessionRequired: fc.boolean(),
  revokesOfflineAccess: fc.option(fc.boolean()),
});
const ciba = record({
  deliveryMode: fc.constantFrom('poll', 'ping'),
  notificationEndpoint: fc.constantFrom(null, 'https://a.example/ciba'),
  userCodeParameter: fc.boolean(),
  requestSigningAlg: fc.constantFrom(null, 'ES256'),
});
const subjectType = fc.constantFrom('public' as const, 'pairwise' as const);
const jwksUri = fc.constantFrom(null, 'https://a.example/jwks');
const allowedOrigins = fc.subarray(['https://a.example', 'https://b.example']);
const properties = fc.dictionary(fc.constantFrom('team', 'cost centre'), fc.string(), {
  noNullPrototype: true,
});
const signingAlg = fc.constantFrom(null, 'RS256', 'ML-DSA-65');
const protection = record({
  signingAlg,
  encryptionAlg: fc.constantFrom(null, null, null, 'ECDH-ES'),
  encryptionEnc: fc.constantFrom('A128GCM', 'A256GCM'),
});
const responseProtection = record({
  idToken: protection,
  userinfo: protection,
  introspection: protection,
  authorization: protection,
});
const tokenExchange = record({
  impersonation: fc.boolean(),
  delegation: fc.boolean(),
  resources: names,
  once: fc.boolean(),
});
const tokenPolicy = record({
  accessTokenFormat: format,
  accessTokenSigningAlg: signingAlg,
  claims: fc.dictionary(name, text, { maxKeys: 1, noNullPrototype: true }),
  claimsPrefix: text,
  accessTokenLifetime: lifetime,
  refreshTokenLifetime: lifetime,
  authorizationCodeLifetime: lifetime,
  idTokenLifetime: lifetime,
  refreshTokenUsage: fc.constantFrom('one_time', 'reuse'),
  refreshTokenAbsoluteLifetime: lifetime,
});
const jwks = fc.option(record({ keys: fc.array(json, { maxLength: 2 }) }));

const origin = fc.constantFrom('administrator', 'dynamic', 'metadata_document');
const registrationPolicy = record({
  grantTypes: fc.subarray(['authorization_code', 'refresh_token']),
  scopes,
  redirectHosts: fc.subarray(['a.example']),
  requirements,
  consentType: fc.constantFrom('explicit', 'systematic', 'external'),
});

/** A registration of any kind; half of them are bent until they hold together. */
const registration = (clientId: string): fc.Arbitrary<ClientRegistration> =>
  fc
    .tuple(
      fc.boolean(),
      record({
        ...presentation,
        clientId: fc.constant(clientId),
        origin,
        clientType: fc.constantFrom('public', 'confidential'),
        applicationType: fc.constantFrom('web', 'native'),
        authenticationMethod,
        certificateSubject,
        profile,
        consentType,
        consentLifetime: lifetime,
        redirectUris,
        postLogoutRedirectUris: redirectUris,
        permissions,
        requirements,
        tokenPolicy,
        tokenExchange,
        responseProtection,
        jwks,
        jwksUri,
        subjectType,
        logout,
        ciba,
        allowedOrigins,
        properties,
      }),
    )
    .map(([asIs, it]) => (asIs ? it : coherent(it)));

function coherent(it: ClientRegistration): ClientRegistration {
  const open = it.clientType === 'public';
  return {
    ...it,
    consentType: it.origin === 'administrator' ? it.consentType : 'explicit',
    authenticationMethod: open ? 'none' : 'client_secret_basic',
    profile: 'none',
    redirectUris: ['https://a.example'],
    permissions: {
      ...it.permissions,
      grantTypes: ['authorization_code', 'refresh_token'],
      responseTypes: ['code'],
    },
    requirements: {
      ...it.requirements,
      pkce: open || it.requirements.pkce,
      signedRequestObjects: false,
      dpopNonce: it.requirements.dpop && it.requirements.dpopNonce,
      certificateBoundTokens: !it.requirements.dpop && it.requirements.certificateBoundTokens,
    },
    responseProtection: PROTECTED_BY_DEFAULT,
    jwksUri: null,
    ciba: { ...it.ciba, deliveryMode: 'poll', requestSigningAlg: null },
  };
}

/** For every entity in THE LIST, every wish there is of it: a missing one is a compile error. */
const wishes: {
  readonly [D in EntityName]: (id: string) => WishArbitraries<WishesOf<Deciders[D]>>;
} = {
  client: (id) => ({
    RegisterClient: registration(id),
    DescribeClient: registration(id),
    DeclareClient: record({
      registration: registration(id),
      localizations: fc.dictionary(name, record(presentation), {
        maxKeys: 2,
        noNullPrototype: true,
      }),
    }),
    ChangeClientPresentation: record(presentation),
    LocalizeClient: record({
      locale: name,
      text: fc.option(record({ ...presentation, displayName: maybeText, description: maybeText })),
    }),
    ChangeClientRedirectUris: record({ redirectUris }),
    ChangeClientPostLogoutRedirectUris: record({ postLogoutRedirectUris: redirectUris }),
    ChangeClientPermissions: record({ permissions }),
    ChangeClientRequirements: record({ requirements }),
    ChangeClientSubjectType: record({ subjectType }),
    ChangeClientLogout: record({ logout }),
    ChangeClientCiba: record({ ciba }),
    ChangeClientAllowedOrigins: record({ allowedOrigins }),
    ChangeClientProperties: record({ properties }),
    ChangeClientConsentType: record({ consentType }),
    ChangeClientConsentLifetime: record({ consentLifetime: lifetime }),
    ChangeClientTokenPolicy: record({ tokenPolicy }),
    ChangeClientTokenExchangePolicy: record({ tokenExchange }),
    ChangeClientResponseProtection: record({ responseProtection }),
    ChangeClientAuthenticationMethod: record({ authenticationMethod }),
    ChangeClientCertificateSubject: record({ certificateSubject }),
    ChangeClientProfile: record({ profile }),
    ChangeClientKeys: record({ jwks, jwksUri }),
    AddClientSecret: record({
      secretId: name,
      digest: digestIn(id, 'secret'),
      description: text,
      addedAt: instant,
      expiresAt: fc.option(instant),
    }),
    RevokeClientSecret: record({ secretId: name }),
    IssueClientRegistrationAccessToken: record({
      digest: digestIn(id, 'registration'),
      policy: registrationPolicy,
    }),
    DisableClient: record({ reason: text }),
    EnableClient: nothing,
    RevokeClientGrants: record({ reason: text, since: fc.option(instant) }),
    RemoveClient: nothing,
  }),

  scope: (id) => ({
    DefineScope: record({
      name: fc.constant(id),
      displayName: text,
      description: text,
      claims: names,
      claimDestinations: fc.constant({}),
      resources: names,
    }),
    DeclareScope: record({
      definition: record({
        name: fc.constant(id),
        displayName: text,
        description: text,
        claims: names,
        claimDestinations: fc.constant({}),
        resources: names,
      }),
      localizations: fc.dictionary(name, record({ displayName: text, description: text }), {
        maxKeys: 2,
        noNullPrototype: true,
      }),
    }),
    DescribeScope: record({ displayName: text, description: text }),
    LocalizeScope: record({
      locale: name,
      text: fc.option(record({ displayName: text, description: text })),
    }),
    ChangeScopeClaims: record({ claims: names }),
    ChangeScopeClaimDestinations: record({
      claimDestinations: fc.dictionary(name, fc.subarray(['id_token', 'access_token']), {
        maxKeys: 1,
        noNullPrototype: true,
      }),
    }),
    ChangeScopeResources: record({ resources: names }),
    RemoveScope: nothing,
  }),

  apiResource: (id) => {
    const policy = record({
      accessTokenFormat: fc.option(format),
      accessTokenSigningAlg: signingAlg,
      accessTokenLifetime: lifetime,
    });
    const detailTypes = fc.array(
      record({ type: name, displayName: text, schema: fc.option(json) }),
      { maxLength: 2 },
    );
    const definition = record({
      identifier: fc.constant(`https://${id}.example`),
      displayName: text,
      tokenPolicy: policy,
      authorizationDetailTypes: detailTypes,
      isolated: fc.boolean(),
    });
    return {
      ChangeApiResourceIsolation: record({ isolated: fc.boolean() }),
      ChangeApiResourceEncryption: record({
        encryption: fc.option(
          record({
            alg: fc.constantFrom('dir', 'RSA-OAEP'),
            enc: fc.constantFrom('A128GCM', 'A256GCM'),
            jwks: fc.constantFrom(null, { keys: [{ kty: 'RSA' }] }),
            secret: maybeText,
          }),
        ),
      }),
      DefineApiResource: definition.map((it) => ({ ...it, encryption: null })),
      DeclareApiResource: definition,
      RenameApiResource: record({ displayName: text }),
      ChangeApiResourceTokenPolicy: record({ tokenPolicy: policy }),
      ChangeApiResourceAuthorizationDetailTypes: record({ authorizationDetailTypes: detailTypes }),
      RemoveApiResource: nothing,
    };
  },

  user: (id) => ({
    RegisterUser: record({
      sub: fc.constant(id),
      usernameDigest: digestIn(id, 'name'),
      personal: text,
      roles,
    }),
    ChangeUserClaims: record({ personal: text }),
    ChangeUserRoles: record({ roles }),
    SetPassword: record({ verifier: text }),
    ChangeBackchannelCode: record({ backchannelCode: maybeText }),
    DisableUser: record({ reason: text }),
    EndUserSessions: record({ reason: text, since: fc.option(instant) }),
    RevokeUserGrants: record({ reason: text, since: fc.option(instant) }),
    EnableUser: nothing,
    EraseUser: nothing,
  }),

  username: () => ({
    ClaimUsername: record({ sub: name }),
    ReleaseUsername: record({ sub: name }),
  }),

  consent: (id) => {
    const by = fc.constantFrom('user', 'administrator');
    const given = {
      sub: fc.constant(`sub of ${id}`),
      clientId: fc.constant(`client of ${id}`),
      ...terms,
    };
    return {
      GrantConsent: record(given),
      RenewConsent: record({ ...given, at: instant }),
      WithdrawConsent: record({ by }),
    };
  },

  grant: (id) => ({
    OpenGrant: record({
      grantId: fc.constant(id),
      sub: name,
      clientId: name,
      sessionUid: fc.option(name),
      ...terms,
      declined,
      basis: fc.constantFrom('consent', 'implicit', 'external', 'password', 'assertion'),
      assertedBy: maybeText,
    }),
    ExtendGrant: record({ ...terms, declined }),
    IssueAuthorizationCode: record(issuedIn(id, 'code')),
    RedeemAuthorizationCode: record({ digest: digestIn(id, 'code'), now: instant }),
    IssueAccessToken: record({
      ...issuedIn(id, 'access'),
      format,
      audience: maybeText,
      exchangedFrom: fc.option(digestIn(id, 'access'), { freq: 2 }),
      clientId: fc.option(name),
    }),
    RevokeAccessToken: record({ digest: digestIn(id, 'access') }),
    IssueRefreshToken: record({ ...issuedIn(id, 'refresh'), rotations: fc.nat(9) }),
    RedeemRefreshToken: record({
      digest: digestIn(id, 'refresh'),
      expiresAt: fc.option(instant),
      successor: fc.option(digestIn(id, 'refresh')),
      now: instant,
      leeway: fc.constantFrom(0, 60),
    }),
    RevokeRefreshToken: record({ digest: digestIn(id, 'refresh') }),
    RevokeGrant: record({ reason: fc.constantFrom('signed_out', 'administrator') }),
  }),

  clientToken: (id) => ({
    IssueClientToken: record({
      ...issuedIn(id, 'client'),
      digest: fc.constant(id),
      clientId: name,
      format,
      audience: maybeText,
    }),
    RevokeClientToken: record({ digest: fc.constant(id) }),
  }),

  deviceAuthorization: (id) => ({
    RequestDeviceAuthorization: record({
      digest: fc.constant(id),
      clientId: name,
      scopes,
      requestedAt: instant,
      expiresAt: instantFrom(8),
      interval: fc.constantFrom(5),
      parameters: json,
    }),
    EnterDeviceUserCode: record({ now: instant }),
    ApproveDeviceAuthorization: record({
      sub: name,
      grantId: name,
      sessionUid: fc.option(name),
      scopes,
      parameters: json,
      at: instant,
    }),
    DenyDeviceAuthorization: record({
      error: fc.constantFrom('access_denied', 'invalid_scope'),
      description: maybeText,
      at: instant,
    }),
    RedeemDeviceCode: record({ now: instant }),
  }),

  backchannelRequest: (id) => {
    const by = fc.constantFrom('user', 'administrator');
    return {
      RequestBackchannelAuthentication: record({
        digest: fc.constant(id),
        clientId: name,
        sub: name,
        scopes,
        allowance: record(terms),
        bindingMessage: maybeText,
        requestedAt: instant,
        expiresAt: instantFrom(8),
        interval: fc.constantFrom(5),
        parameters: json,
      }),
      ApproveBackchannelAuthentication: record({
        grantId: name,
        authTime: instant,
        acr: maybeText,
        amr: names,
        by,
        at: instant,
      }),
      DenyBackchannelAuthentication: record({ by, at: instant }),
      RedeemBackchannelRequest: record({ now: instant }),
    };
  },

  session: (id) => {
    const authentication = { authTime: instant, acr: maybeText, amr: names };
    return {
      StartSession: record({
        uid: fc.constant(id),
        sub: fc.constantFrom('ada', 'bob'),
        ...authentication,
      }),
      ReauthenticateSession: record(authentication),
      JoinSession: record({
        clientId: name,
        sid: name,
        grantId: fc.option(name),
        persistsLogout: fc.boolean(),
      }),
      LeaveSession: record({ clientId: name }),
      EndSession: record({ reason: fc.constantFrom('signed_out', 'administrator') }),
    };
  },

  notice: () => {
    const subject = {
      kind: fc.constantFrom('backchannel_logout', 'backchannel_ping'),
      clientId: name,
      about: name,
      attempts: fc.integer({ min: 1, max: 3 }),
    };
    return {
      FailNotice: record({ ...subject, error: text, retryAt: fc.option(instant) }),
      DeliverNotice: record(subject),
      DropNotice: record({ ...subject, reason: text }),
    };
  },

  signIns: (id) => ({
    RecordSignInFailure: record({
      usernameDigest: digestIn(id, 'name'),
      sub: fc.option(name),
      reason: fc.constantFrom('unknown_user', 'wrong_password', 'disabled', 'rate_limited'),
    }),
  }),

  auditReadings: () => ({
    RecordAuditReading: record({
      surface: fc.constantFrom('events', 'export', 'stream', 'lineage', 'blast_radius'),
      filter: json,
      reads: fc.nat(9),
      events: fc.nat(9),
    }),
  }),

  leak: () => ({
    ContainLeak: record({
      of: fc.constantFrom('secret', 'signing_key', 'address', 'client'),
      clientId: maybeText,
      secretId: maybeText,
      kid: maybeText,
      addressDigest: maybeText,
      since: instant,
      until: instant,
      reason: text,
      grants: fc.nat(9),
      sessions: fc.nat(9),
      clientTokens: fc.nat(9),
    }),
  }),

  projection: () => {
    const operation = { operationId: name };
    return {
      RebuildProjection: record({ ...operation, dryRun: fc.boolean(), held: fc.boolean() }),
      VerifyProjection: record({ ...operation, repair: fc.boolean() }),
      SwitchProjection: record(operation),
      RollProjectionBack: record(operation),
      EndProjectionOperation: record({
        ...operation,
        events: fc.nat(9),
        differences: fc.nat(9),
        failure: maybeText,
      }),
      PauseProjection: record({ reason: text }),
      ResumeProjection: record({ reason: text }),
    };
  },

  initialAccessToken: (id) => ({
    CreateInitialAccessToken: record({
      tokenId: fc.constant(id),
      digest: digestIn(id, 'initial'),
      description: text,
      policy: registrationPolicy,
      quota: fc.integer({ min: 1, max: 3 }),
      expiresAt: instantFrom(5),
    }),
    UseInitialAccessToken: record({ clientId: name, now: instant }),
    RevokeInitialAccessToken: record({ reason: text }),
  }),

  signingKey: (id) => ({
    GenerateSigningKey: record({
      kid: fc.constant(id),
      alg: fc.constantFrom('ES256', 'EdDSA'),
      publicJwk: json,
      privateJwk: text,
    }),
    ActivateSigningKey: record({ now: instant }),
    RetireSigningKey: record({ now: instant, reason: text }),
  }),

  cookieKey: (id) => ({
    GenerateCookieKey: record({ keyId: fc.constant(id), secret: text }),
    ActivateCookieKey: record({ now: instant }),
    RetireCookieKey: record({ now: instant, reason: text }),
  }),

  trustedIssuer: (id) => {
    const trust = {
      displayName: text,
      jwks: fc.constantFrom(null, { keys: [{ kty: 'OKP' }] }),
      jwksUri: fc.constantFrom(null, 'https://issuer.example/keys'),
      subjectMapping: fc.constantFrom('sub', 'username'),
      clientIds: names,
      scopes,
    };
    return {
      TrustIssuer: record({ issuer: fc.constant(`issuer of ${id}`), ...trust }),
      DeclareTrustedIssuer: record({ issuer: fc.constant(`issuer of ${id}`), ...trust }),
      ChangeIssuerTrustTerms: record(trust),
      WithdrawIssuerTrust: record({ reason: text }),
    };
  },
};

/** A decider and a wish, seen from outside, when their types no longer matter. */
export type AnyDecider = Decider<unknown, Record<string, object>, Record<string, object>>;
type AnyWish = Wish<Record<string, object>>;

export const entityNames = Object.keys(deciders) as EntityName[];

export function deciderOf(name: EntityName): AnyDecider {
  return deciders[name] as unknown as AnyDecider;
}

/** A wish put to one entity. */
export interface Step {
  readonly name: EntityName;
  readonly stream: string;
  readonly wish: AnyWish;
}

/** Wishes for one entity: the one that begins its life, and any. */
function stepsOf(name: EntityName, id: string) {
  const all = Object.entries(wishes[name](id)).map(([type, arbitrary]) =>
    (arbitrary as fc.Arbitrary<object>).map(
      (data): Step => ({ name, stream: streamOf(deciders[name], id), wish: { type, data } }),
    ),
  );
  return { first: all[0] as fc.Arbitrary<Step>, any: fc.oneof(...all) };
}

/** Wishes for some entities, mixed, in the order in which they are put; most are born first. */
export function steps(
  entities: readonly (readonly [name: EntityName, id: string])[],
  maxLength: number,
): fc.Arbitrary<Step[]> {
  const all = entities.map(([name, id]) => stepsOf(name, id));
  const births = fc.tuple(...all.map(({ first }) => fc.option(first, { freq: 9 })));
  const lives = fc.array(fc.oneof(...all.map(({ any }) => any)), { maxLength, size: 'max' });
  return fc
    .tuple(births, lives)
    .map(([born, lived]) => [...born.filter((step) => step !== null), ...lived]);
}
