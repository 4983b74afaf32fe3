import { createLocalJWKSet, type JWK, jwtVerify } from 'jose';
import type Provider from 'oidc-provider';
import type { AccessToken, ClientCredentials, Configuration, FindAccount } from 'oidc-provider';
import { signingAlgorithmsFor } from '../../domain/client-profiles.ts';
import { grant } from '../../domain/grant.ts';
import type { SigningAlgorithm } from '../../domain/signing-key.ts';
import { type Audience, clientToken } from '../../domain/token.ts';
import type { Catalogue } from '../../projections/catalogue.ts';
import type { SigningKeyRow } from '../../projections/signing-keys.ts';
import type { DetailSeals } from '../adapter/authorization-details.ts';
import { issued } from '../adapter/tokens.ts';
import { policyOf } from '../clients/clients.ts';
import { signedWith } from '../keys/jwks.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';
import { personalClaims } from './claim-destinations.ts';

/** Three parts of base64url (RFC 7515 §7.1), with dots between them, or with what {@link takeJwts} puts there. */
const SIGNED = /^[\w-]+([.~])[\w-]+\1[\w-]+$/;
/** Five parts (RFC 7516 §7.1), of which `dir` leaves the second empty. */
export const ENCRYPTED = /^[\w-]+([.~])[\w-]*\1[\w-]+\1[\w-]+\1[\w-]+$/;

/**
 * The id of a JWT access token. One that this server signed (RFC 9068) and that has not expired has
 * its `jti`. One that is encrypted can be read by nobody but its API, so the whole of it is its id, as
 * a reference token's is.
 */
export type JtiOf = (presented: string) => Promise<string | undefined>;

/** Recognises JWT access tokens among whatever is presented as a token. */
export function jwtReader(issuer: string, signingKeys: readonly SigningKeyRow[]): JtiOf {
  const keys = createLocalJWKSet({
    keys: signingKeys.map(({ kid, alg, public_jwk }): JWK => ({ ...public_jwk, kid, alg })),
  });
  const algorithms = [...new Set(signingKeys.map(({ alg }) => alg))];
  const expected = { issuer, typ: 'at+jwt', algorithms };
  return async (presented) => {
    if (ENCRYPTED.test(presented)) return presented.replaceAll('~', '.');
    if (!SIGNED.test(presented)) return undefined;
    try {
      const { payload } = await jwtVerify(presented.replaceAll('~', '.'), keys, expected);
      return payload.exp === undefined ? undefined : payload.jti;
    } catch {
      return undefined;
    }
  };
}

/**
 * Lets the introspection and the revocation endpoint take JWTs (RFC 7662 §2.1, RFC 7009 §2.1). The
 * library turns away there whatever can be decoded as one, so the parameter goes on with other
 * separators; the adapter, which is asked for the token next, recognises it. Nothing is trusted yet
 * at this point, and the body of the request is read by the library alone.
 */
export function takeJwts(route: string, params: Record<string, unknown>): void {
  const { token } = params;
  if (route !== 'introspection' && route !== 'revocation') return;
  if (typeof token !== 'string' || !(SIGNED.test(token) || ENCRYPTED.test(token))) return;
  params.token = token.replaceAll('.', '~');
}

/**
 * Makes access tokens without a resource JWTs too, where the client's policy says so. To the library
 * a JWT belongs to a resource and userinfo to tokens without one; so the issuer is only the resource
 * that says how the token is made, and what the token may do stays that of one without.
 */
export function makeJwtsByPolicy(
  provider: Provider,
  signingAlgorithms: readonly SigningAlgorithm[],
): void {
  const { prototype } = provider.AccessToken;
  const inherited = Object.getPrototypeOf(prototype);
  Object.defineProperty(prototype, 'resourceServer', {
    get(this: AccessToken) {
      const named = Reflect.get(inherited, 'resourceServer', this);
      if (named || !this.client) return named;
      const { profile, tokenPolicy } = policyOf(this.client);
      const { accessTokenFormat, accessTokenSigningAlg } = tokenPolicy;
      if (accessTokenFormat !== 'jwt') return undefined;
      const fitting = signingAlgorithmsFor(profile, signingAlgorithms);
      const jwt = signedWith(fitting, accessTokenSigningAlg);
      return new provider.ResourceServer(provider.issuer, { scope: '', accessTokenFormat, jwt });
    },
    set(this: AccessToken, server: unknown) {
      Reflect.set(inherited, 'resourceServer', server, this);
    },
  });
}

/** What a JWT says while it is being made: the library shows it, and later what became of it. */
const payloads = new WeakMap<object, Payload>();

interface Payload {
  readonly jti: string;
  readonly aud: NonNullable<Audience>;
  readonly iat: number;
  readonly exp: number;
}

/** The library's customizer of JWT access tokens. What is personal is in the token alone, not in the log. */
export function completeJwt(catalogue: Catalogue, findAccount: FindAccount): Customizer {
  return async (ctx, token, { payload }) => {
    // RFC 9068 §3: a JWT has an audience even where no resource is named.
    payload.aud ??= ctx.oidc.issuer;
    const find = (of: AccessToken) => ctx.oidc.account ?? findAccount(ctx, of.accountId, of);
    const claims = await personalClaims(catalogue, ctx, token, find, 'access_token');
    for (const [name, value] of Object.entries(claims)) payload[name] ??= value;
    payloads.set(token, payload as unknown as Payload);
  };
}

type Customizer = NonNullable<
  NonNullable<NonNullable<Configuration['formats']>['customizers']>['jwt']
>;

/** JWTs never reach the adapter: that one was issued is recorded here, by its id. */
export function recordJwts(provider: Provider, details: DetailSeals): void {
  for (const { prototype } of [provider.AccessToken, provider.ClientCredentials]) {
    const { getValueAndPayload } = prototype as unknown as Made;
    Object.assign(prototype, {
      async getValueAndPayload(this: AccessToken | ClientCredentials) {
        const made = await getValueAndPayload.call(this);
        const payload = payloads.get(this);
        const id = payload && (ENCRYPTED.test(made.value) ? made.value : payload.jti);
        if (id) await record(this, payload, id, details);
        return made;
      },
    });
  }
}

interface Made {
  getValueAndPayload(this: AccessToken | ClientCredentials): Promise<{ readonly value: string }>;
}

async function record(
  token: AccessToken | ClientCredentials,
  payload: Payload,
  id: string,
  details: DetailSeals,
): Promise<void> {
  const unit = currentUnitOfWork();
  // Of the tokens in an authorization response the library ties only references to the session.
  if (token.kind === 'AccessToken' && token.gty === 'implicit') {
    token.expiresWithSession ??= !token.scopes.has('offline_access');
  }
  const { IN_PAYLOAD } = token.constructor as typeof AccessToken;
  const fields = IN_PAYLOAD.map((field) => [field, token[field as keyof typeof token]]);
  const { iat, exp } = payload;
  const fact = {
    ...(await issued(id, { ...Object.fromEntries(fields), iat, exp }, details)),
    format: 'jwt' as const,
    audience: payload.aud,
  };
  if (token.kind === 'AccessToken') {
    const data = { ...fact, ...unit.exchange };
    unit.wish(grant, token.grantId, { type: 'IssueAccessToken', data });
  } else {
    const data = { ...fact, clientId: token.clientId ?? '' };
    unit.wish(clientToken, fact.digest, { type: 'IssueClientToken', data }, { fresh: true });
  }
}
