import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { client } from '../domain/client.ts';
import { streamOf } from '../domain/decider.ts';
import { DomainError } from '../domain/errors.ts';
import { grant } from '../domain/grant.ts';
import { type Leak, leak } from '../domain/leak.ts';
import { session } from '../domain/session.ts';
import { clientToken } from '../domain/token.ts';
import { user } from '../domain/user.ts';
import { type Act, act } from '../eventstore/execute.ts';
import { type Command, type CommandContext, carryOut, expectedVersion, parse } from './command.ts';
import { instant, name, orNull, reason } from './fields.ts';

const id = name(200);

const sessionEnd = z.object({ uid: id });

/** Ends a session everywhere: its clients are told, and the grants bound to it end. */
export const endSession: Command<z.input<typeof sessionEnd>, { uid: string }> = async (
  context,
  raw,
  envelope,
) => {
  const { uid } = parse(sessionEnd, raw);
  await assertBegun(context, streamOf(session, uid), 'uid', 'no such session');
  const wish = { type: 'EndSession', data: { reason: 'administrator' } } as const;
  return carryOut(context, [act(session, uid, [wish])], envelope, { uid });
};

const grantRevocation = z.object({ grantId: id });

/** Ends a grant, and with it all that was issued under it. */
export const revokeGrant: Command<z.input<typeof grantRevocation>, { grantId: string }> = async (
  context,
  raw,
  envelope,
) => {
  const { grantId } = parse(grantRevocation, raw);
  await assertBegun(context, streamOf(grant, grantId), 'grantId', 'no such grant');
  const wish = { type: 'RevokeGrant', data: { reason: 'administrator' } } as const;
  return carryOut(context, [act(grant, grantId, [wish])], envelope, { grantId });
};

/** A token, as far as its revocation needs it. */
export interface RevocableToken {
  readonly kind: 'authorization_code' | 'access_token' | 'refresh_token' | 'client_token';
  readonly grant_id: string | null;
}

const tokenRevocation = z.object({ tokenId: id });

/**
 * Ends one token; with a refresh token, its grant (RFC 7009 §2.1).
 * @param token undefined when there is none of that id
 * @throws DomainError `not_found`; `invalid` for an authorization code, which ends with its grant only
 */
export function revokeToken(
  token: RevocableToken | undefined,
): Command<z.input<typeof tokenRevocation>, { tokenId: string }> {
  return async (context, raw, envelope) => {
    const { tokenId } = parse(tokenRevocation, raw);
    return carryOut(context, [tokenEnd(token, tokenId)], envelope, { tokenId });
  };
}

function tokenEnd(token: RevocableToken | undefined, digest: string): Act {
  const fault = { field: 'tokenId' };
  if (!token) throw new DomainError('not_found', 'no such token', fault);
  const grantId = token.grant_id ?? '';
  switch (token.kind) {
    case 'client_token':
      return act(clientToken, digest, [{ type: 'RevokeClientToken', data: { digest } }]);
    case 'access_token':
      return act(grant, grantId, [{ type: 'RevokeAccessToken', data: { digest } }]);
    case 'refresh_token':
      return act(grant, grantId, [{ type: 'RevokeRefreshToken', data: { digest } }]);
    case 'authorization_code':
      throw new DomainError('invalid', 'a code ends with its grant: revoke that', fault);
  }
}

const since = orNull(instant);

const ofUser = z.object({ sub: name(128), since, reason, expectedVersion });

/** Ends all sessions of a person, or those that began since a time. */
export const endUserSessions: Command<z.input<typeof ofUser>, { sub: string }> = async (
  context,
  raw,
  envelope,
) => {
  const { sub, since, reason, ...options } = parse(ofUser, raw);
  const acts = [act(user, sub, [{ type: 'EndUserSessions', data: { since, reason } }], options)];
  return carryOut(context, acts, envelope, { sub });
};

/** Ends all grants of a person, those with offline access as well, or those opened since a time. */
export const revokeUserGrants: Command<z.input<typeof ofUser>, { sub: string }> = async (
  context,
  raw,
  envelope,
) => {
  const { sub, since, reason, ...options } = parse(ofUser, raw);
  const acts = [act(user, sub, [{ type: 'RevokeUserGrants', data: { since, reason } }], options)];
  return carryOut(context, acts, envelope, { sub });
};

const ofClient = z.object({ clientId: name(100), since, reason, expectedVersion });

/** Ends all grants of a client, whoever gave them, or those opened since a time. */
export const revokeClientGrants: Command<z.input<typeof ofClient>, { clientId: string }> = async (
  context,
  raw,
  envelope,
) => {
  const { clientId, since, reason, ...options } = parse(ofClient, raw);
  const acts = [
    act(client, clientId, [{ type: 'RevokeClientGrants', data: { since, reason } }], options),
  ];
  return carryOut(context, acts, envelope, { clientId });
};

/** What a leak touched and what of it can still be used, as it was previewed. */
export interface Touched extends Leak {
  readonly grants: number;
  readonly sessions: number;
  readonly clientTokens: number;
}

const containment = z.object({ reason });

/**
 * Ends all that a leak touched, by one act.
 * @param touched undefined for a secret or key that never was
 * @throws DomainError `not_found`
 */
export function containLeak(
  touched: Touched | undefined,
): Command<z.input<typeof containment>, { touched: Touched | null }> {
  return async (context, raw, envelope) => {
    const { reason } = parse(containment, raw);
    if (!touched) {
      throw new DomainError('not_found', 'there never was such a secret or key', { field: 'of' });
    }
    const wish = { type: 'ContainLeak', data: { ...touched, reason } } as const;
    const acts = [act(leak, randomUUID(), [wish], { fresh: true })];
    return carryOut(context, acts, envelope, { touched });
  };
}

async function assertBegun(
  { store }: CommandContext,
  stream: string,
  field: string,
  message: string,
): Promise<void> {
  const [first] = await store.read(stream, { limit: 1 });
  if (!first) throw new DomainError('not_found', message, { field });
}
