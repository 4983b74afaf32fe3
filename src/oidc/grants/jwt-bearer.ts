import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import { LRUCache } from 'lru-cache';
import type { TokenEndpointGrantContext } from 'oidc-provider';
import { errors } from 'oidc-provider';
import { buildTokenResponse, findAccount } from 'oidc-provider/lib/helpers/grants.js';
import { usernameDigest } from '../../commands/users.ts';
import type { Outbound } from '../../platform/outbound.ts';
import { digest } from '../../platform/secrets.ts';
import type { TrustedIssuerRow } from '../../projections/trusted-issuers.ts';
import { instantOf, scopeList } from '../adapter/model-adapter.ts';
import { ASYMMETRIC, ROUTES } from '../configuration.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';
import { openDirectGrant, type Proved } from './direct-grant.ts';
import type { ExtensionGrant, GrantContext } from './extension-grant.ts';
import { text } from './parameters.ts';

type Context = TokenEndpointGrantContext<Readonly<Record<string, unknown>>>;

/** The row that says an assertion was used: claimed, so of two commits one is refused. */
export const ASSERTION_USE = 'AssertionUse';

/** Seconds that an assertion may be good for: it is made to be used at once (RFC 7523 §3). */
const MAX_LIFETIME = 60 * 60;
const CLOCK_TOLERANCE = 15;
/** Sets of keys that are remembered, each with its own cool-down of fetches. */
const REMEMBERED = 100;

/**
 * A JWT as an authorization grant (RFC 7523 §2.1): an issuer that this server was told to trust speaks
 * for a person, and the client gets an access token for them. Nobody is asked: the trust says which
 * clients may present the assertions, and what they are good for. Each is good once.
 */
export const jwtBearer: ExtensionGrant = {
  name: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
  parameters: ['assertion', 'scope', 'resource'],

  async handle(context, ctx) {
    if (ctx.oidc.client.clientAuthMethod === 'none') {
      throw new errors.UnauthorizedClient('assertions are for confidential clients');
    }
    const { accessToken, value } = await openDirectGrant(context, ctx, jwtBearer.name, () =>
      prove(context, ctx),
    );
    ctx.body = buildTokenResponse(context.provider, {
      accessToken: value,
      expiresIn: accessToken.expiration,
      scope: accessToken.scope,
      tokenType: accessToken.tokenType,
    });
  },
};

async function prove(context: GrantContext, ctx: Context): Promise<Proved> {
  const { params, client } = ctx.oidc;
  const assertion = text(params, 'assertion');
  if (!assertion) throw new errors.InvalidRequest("missing required parameter 'assertion'");
  const issuer = await context.reads.trustedIssuer(digest(issuerNamedBy(assertion)));
  if (!issuer?.client_ids.includes(client.clientId)) {
    throw new errors.InvalidGrant('the issuer of the assertion is not trusted with this client');
  }
  const claims = await verified(context, issuer, assertion);
  const refused = scopeList(text(params, 'scope')).filter((scope) => !vouchesFor(issuer, scope));
  if (refused.length > 0) {
    throw new errors.InvalidScope('the issuer does not vouch for this scope', refused.join(' '));
  }

  const sub = await subjectOf(context, issuer, claims.sub ?? '');
  const account = sub && (await findAccount(context.provider, ctx, sub));
  if (!account) throw new errors.InvalidGrant('the subject of the assertion is not known here');
  ctx.oidc.entity('Account', account);

  const unit = currentUnitOfWork();
  unit.grantBasis = 'assertion';
  unit.assertedBy = issuer.issuer;
  unit.change({
    op: 'claim',
    model: ASSERTION_USE,
    id: digest(`${issuer.issuer} ${claims.jti}`),
    lookup: null,
    payload: null,
    expiresAt: instantOf(claims.exp + CLOCK_TOLERANCE),
  });
  return { accountId: account.accountId, claims: {} };
}

/** Whose keys to look for; nothing else of it is believed yet. */
function issuerNamedBy(assertion: string): string {
  try {
    const { iss } = decodeJwt(assertion);
    if (iss) return iss;
  } catch {}
  throw new errors.InvalidGrant('the assertion is no JWT that names its issuer');
}

type VerifiedClaims = JWTPayload & { readonly exp: number; readonly jti: string };

/** @throws InvalidGrant for whatever RFC 7523 §3 asks of an assertion and this one has not */
async function verified(
  { issuer: here, outbound }: GrantContext,
  trusted: TrustedIssuerRow,
  assertion: string,
): Promise<VerifiedClaims> {
  try {
    const { payload, protectedHeader } = await jwtVerify(assertion, keysOf(trusted, outbound), {
      issuer: trusted.issuer,
      audience: [here, new URL(ROUTES.token, here).href],
      algorithms: [...ASYMMETRIC],
      clockTolerance: CLOCK_TOLERANCE,
      requiredClaims: ['exp', 'iat', 'jti', 'sub'],
    });
    if (!/^(jwt)?$/i.test(protectedHeader.typ ?? ''))
      throw new Error('it is a JWT of another kind');
    const { exp, jti } = payload as VerifiedClaims;
    if (exp - Date.now() / 1000 > MAX_LIFETIME) throw new Error('it is good for too long');
    return { ...payload, exp, jti: String(jti) };
  } catch (error) {
    throw new errors.InvalidGrant(`the assertion is not accepted: ${(error as Error).message}`);
  }
}

const published = new LRUCache<string, JWTVerifyGetKey>({ max: REMEMBERED });

function keysOf({ jwks, jwks_uri }: TrustedIssuerRow, outbound: Outbound): JWTVerifyGetKey {
  if (jwks) return createLocalJWKSet(jwks as unknown as JSONWebKeySet);
  const uri = jwks_uri ?? '';
  const known = published.get(uri);
  if (known) return known;
  const keys = createRemoteJWKSet(new URL(uri), { [customFetch]: outbound });
  published.set(uri, keys);
  return keys;
}

function vouchesFor({ scopes }: TrustedIssuerRow, scope: string): boolean {
  return scopes.includes('*') || scopes.includes(scope);
}

async function subjectOf(
  { reads, secrets }: GrantContext,
  { subject_mapping }: TrustedIssuerRow,
  subject: string,
): Promise<string | undefined> {
  if (subject_mapping === 'sub') return subject;
  return (await reads.userByName(usernameDigest(secrets, subject)))?.sub;
}
