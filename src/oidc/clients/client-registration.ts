import type { Context, Middleware } from 'koa';
import { changeSelf, registerSelf, removeSelf } from '../../commands/registrations.ts';
import { DomainError } from '../../domain/errors.ts';
import type { RegistrationPolicy } from '../../domain/registration-policy.ts';
import type { SigningAlgorithm } from '../../domain/signing-key.ts';
import type { Envelope } from '../../eventstore/event-store.ts';
import type { Act } from '../../eventstore/execute.ts';
import { digest } from '../../platform/secrets.ts';
import { registrationIn } from '../../projections/clients.ts';
import type { KnownClient } from '../../projections/protocol-reads.ts';
import { numericDate } from '../adapter/model-adapter.ts';
import { envelopeOf } from '../envelope.ts';
import { type OAuthError, oauthError, replaceResponse } from '../errors.ts';
import type { ClientRegistrationLimits } from '../limits/client-registration-limits.ts';
import { readBody } from '../people/form.ts';
import type { TransactionContext } from '../transaction.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';
import {
  described,
  type Metadata,
  metadataName,
  metadataOf,
  REGISTRATION_ROUTE,
} from './client-registration-metadata.ts';
import { isSecretOf } from './clients.ts';

export interface ClientRegistrationContext extends TransactionContext {
  readonly issuer: string;
  readonly signingAlgorithms: readonly SigningAlgorithm[];
  /** Who may register clients: nobody, who was given a token for it, or anybody. */
  readonly clientRegistration: 'off' | 'token' | 'open';
  /** What clients may make of themselves that nobody has invited. */
  readonly openPolicy: RegistrationPolicy;
  readonly clientRegistrationLimits: ClientRegistrationLimits;
}

/** Bytes. */
const LIMIT = 64 * 1024;

/** Said by the server and not by the client (RFC 7592 §2.2). */
const NOT_FOR_THE_CLIENT = [
  'registration_access_token',
  'registration_client_uri',
  'client_secret_expires_at',
  'client_id_issued_at',
];

/** What is answered in place of what was asked for. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly error: string,
    message: string,
  ) {
    super(message);
  }
}

/** Lets clients register themselves, and manage their registrations. */
export function clientRegistration(context: ClientRegistrationContext): Middleware {
  return async (ctx, next) => {
    if (ctx.path === REGISTRATION_ROUTE) {
      if (context.clientRegistration === 'off') return next();
      await answer(ctx, { POST: () => register(context, ctx) });
    } else if (ctx.path.startsWith(`${REGISTRATION_ROUTE}/`)) {
      const clientId = ctx.path.slice(REGISTRATION_ROUTE.length + 1);
      await answer(ctx, {
        GET: () => show(context, ctx, clientId),
        PUT: () => change(context, ctx, clientId),
        DELETE: () => remove(context, ctx, clientId),
      });
    } else await next();
  };
}

async function register(context: ClientRegistrationContext, ctx: Context): Promise<void> {
  const invitation = await invitationOf(context, ctx);
  const metadata = await readMetadata(ctx);
  const { policy, tokenId } = invitation ?? { policy: context.openPolicy, tokenId: null };
  if (!invitation && !(await context.clientRegistrationLimits.try(ctx.ip))) {
    throw new Refusal(429, 'temporarily_unavailable', 'too many clients were registered from here');
  }
  const { signingAlgorithms } = context;
  const envelope = await envelopeOf(context, ctx, currentUnitOfWork());
  const made = registerSelf(described(metadata, policy.scopes), {
    policy,
    tokenId,
    now: envelope.at,
    signingAlgorithms,
  });
  const { clientId } = made.registration;
  const by = invitation ? 'initial_access_token' : 'none';
  await record(context, made.acts, envelope, clientId, by);
  ctx.status = 201;
  ctx.body = {
    ...metadataOf(made.registration),
    client_id_issued_at: numericDate(envelope.at),
    ...shownOnce(made.secret),
    ...management(context, clientId, made.registrationAccessToken),
  };
}

async function show(
  context: ClientRegistrationContext,
  ctx: Context,
  clientId: string,
): Promise<void> {
  const { row, token } = await managed(context, ctx, clientId);
  ctx.body = {
    ...metadataOf(registrationIn(row)),
    client_id_issued_at: numericDate(row.created_at),
    ...management(context, clientId, token),
  };
}

async function change(
  context: ClientRegistrationContext,
  ctx: Context,
  clientId: string,
): Promise<void> {
  const { row, policy, token } = await managed(context, ctx, clientId);
  const metadata = await readMetadata(ctx);
  const foreign = NOT_FOR_THE_CLIENT.find((name) => metadata[name] !== undefined);
  if (foreign) throw new Refusal(400, 'invalid_request', `${foreign} must not be sent`);
  if (metadata.client_id !== clientId) {
    throw new Refusal(400, 'invalid_request', 'client_id must be that of the client');
  }
  const { client_secret: secret } = metadata;
  if (secret !== undefined && !isSecretOf(row, String(secret))) {
    throw new Refusal(400, 'invalid_request', 'client_secret must be that of the client');
  }
  const { signingAlgorithms } = context;
  const envelope = await envelopeOf(context, ctx, currentUnitOfWork());
  const made = changeSelf(described(metadata, policy.scopes), {
    before: registrationIn(row),
    policy,
    hasSecret: row.secrets.length > 0,
    now: envelope.at,
    signingAlgorithms,
  });
  await record(context, made.acts, envelope, clientId, 'registration_access_token');
  ctx.body = {
    ...metadataOf(made.registration),
    client_id_issued_at: numericDate(row.created_at),
    ...shownOnce(made.secret),
    ...management(context, clientId, token),
  };
}

async function remove(
  context: ClientRegistrationContext,
  ctx: Context,
  clientId: string,
): Promise<void> {
  await managed(context, ctx, clientId);
  const envelope = await envelopeOf(context, ctx, currentUnitOfWork());
  const acts = [removeSelf(clientId)];
  await record(context, acts, envelope, clientId, 'registration_access_token');
  ctx.status = 204;
}

/** The policy that comes with the initial access token; null where none is needed, or given. */
async function invitationOf(
  { reads, clientRegistration }: ClientRegistrationContext,
  ctx: Context,
): Promise<{ policy: RegistrationPolicy; tokenId: string } | null> {
  const token = bearerToken(ctx);
  if (token === undefined && clientRegistration === 'open') return null;
  const row = token === undefined ? undefined : await reads.initialAccessToken(digest(token));
  if (!row) throw invalidToken();
  // Whether it is still good is decided when it is used.
  return { policy: row.policy, tokenId: row.initial_access_token_id };
}

/** The client whose registration access token came with the request. */
async function managed(
  { reads }: ClientRegistrationContext,
  ctx: Context,
  clientId: string,
): Promise<{ row: KnownClient; policy: RegistrationPolicy; token: string }> {
  const token = bearerToken(ctx);
  const row = await reads.client(clientId);
  const policy = row?.registration_policy;
  if (token === undefined || !policy || row.registration_token !== digest(token)) {
    throw invalidToken();
  }
  if (row.disabled_at) throw new Refusal(403, 'access_denied', 'the client is disabled');
  return { row, policy, token };
}

function bearerToken(ctx: Context): string | undefined {
  return /^Bearer ([A-Za-z0-9._~+/-]+=*)$/i.exec(ctx.get('Authorization'))?.[1];
}

function invalidToken(): Refusal {
  return new Refusal(401, 'invalid_token', 'the token is not good for this');
}

async function readMetadata(ctx: Context): Promise<Metadata> {
  const body: unknown = ctx.is('json') && parsed(await readBody(ctx, LIMIT));
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Metadata;
  throw new Refusal(400, 'invalid_client_metadata', 'the body must be a JSON object');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function record(
  { execute }: ClientRegistrationContext,
  acts: readonly Act[],
  envelope: Envelope,
  clientId: string,
  authentication: string,
): Promise<void> {
  await execute(acts, { ...envelope, actor: { type: 'client', id: clientId }, authentication });
}

function shownOnce(secret: string | null): object {
  return secret === null ? {} : { client_secret: secret, client_secret_expires_at: 0 };
}

function management(
  { issuer }: ClientRegistrationContext,
  clientId: string,
  token: string,
): object {
  return {
    registration_client_uri: new URL(`${REGISTRATION_ROUTE}/${clientId}`, issuer).href,
    registration_access_token: token,
  };
}

/** No cookie counts here, so scripts of every origin may come, as programs of every kind do. */
async function answer(
  ctx: Context,
  methods: Readonly<Record<string, () => Promise<void>>>,
): Promise<void> {
  ctx.set({ 'Access-Control-Allow-Origin': '*', 'Cache-Control': 'no-store' });
  if (ctx.method === 'OPTIONS') {
    ctx.set({
      'Access-Control-Allow-Methods': Object.keys(methods).join(', '),
      'Access-Control-Allow-Headers': 'Authorization, Content-Type',
    });
    ctx.status = 204;
    return;
  }
  const method = Object.hasOwn(methods, ctx.method) ? methods[ctx.method] : undefined;
  if (!method) {
    ctx.set('Allow', Object.keys(methods).join(', '));
    ctx.status = 405;
    return;
  }
  try {
    await method();
  } catch (error) {
    const refusal = refusalOf(error);
    replaceResponse(ctx, refusal);
    if (refusal.status === 401) ctx.set('WWW-Authenticate', `Bearer error="${refusal.error}"`);
  }
}

/** What a failure is to the client: errors of RFC 7591 §3.2.2, and of RFC 6750 §3.1 for tokens. */
function refusalOf(error: unknown): OAuthError {
  if (error instanceof Refusal) {
    return { status: error.status, error: error.error, error_description: error.message };
  }
  if (!(error instanceof DomainError)) return oauthError(error, false);
  const { code, message, detail } = error;
  if (detail.field === 'tokenId') return refusalOf(invalidToken());
  if (code !== 'invalid') return oauthError(error, false);
  const name = metadataName(detail.field ?? '');
  return {
    status: 400,
    error: name === 'redirect_uris' ? 'invalid_redirect_uri' : 'invalid_client_metadata',
    error_description: `${name}: ${message}`,
  };
}
