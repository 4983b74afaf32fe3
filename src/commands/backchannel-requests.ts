import { z } from 'zod';
import {
  type BackchannelRequest,
  backchannelRequest,
  type DecidedBy,
} from '../domain/backchannel-request.ts';
import { client } from '../domain/client.ts';
import { consent } from '../domain/consent.ts';
import { type Decider, fold, streamOf } from '../domain/decider.ts';
import { DomainError } from '../domain/errors.ts';
import { type GrantTerms, grant } from '../domain/grant.ts';
import type { Authentication } from '../domain/session.ts';
import { user } from '../domain/user.ts';
import { type Act, act } from '../eventstore/execute.ts';
import { upcast } from '../eventstore/upcast.ts';
import { randomToken } from '../platform/secrets.ts';
import { type Command, type CommandContext, carryOut, parse } from './command.ts';
import { list, name, optional, orNull } from './fields.ts';

/** Of the request, in hex: what stands for its auth_req_id. */
const requestId = z.string().regex(/^[0-9a-f]{64}$/, 'must be the id of a request');

/** Names of authentication methods (RFC 8176). */
const amr = list(name(40), 10);

const decision = z.object({ requestId });
const approval = z.object({
  requestId,
  /** How the person proved who they are; nothing is said of it when absent. */
  amr: optional(amr, []),
  acr: orNull(name(200)),
});

export interface Decided {
  readonly requestId: string;
}

/** A person's own yes, on their page: it is a consent too, where the client needs one. */
export function approveOwnRequest(sub: string, authentication: Authentication) {
  const command: Command<z.input<typeof decision>, Decided> = async (context, raw, envelope) => {
    const input = parse(decision, raw);
    const request = await ownRequest(context, input.requestId, sub);
    return approve(context, request, { ...authentication, by: 'user' }, envelope);
  };
  return command;
}

/** @throws DomainError `not_found` for the request of somebody else */
export function denyOwnRequest(sub: string): Command<z.input<typeof decision>, Decided> {
  return async (context, raw, envelope) => {
    const input = parse(decision, raw);
    await ownRequest(context, input.requestId, sub);
    return deny(context, input.requestId, 'user', envelope);
  };
}

/** The yes of a person whom somebody else has asked: whoever says so is trusted with it. */
export const approveBackchannelRequest: Command<z.input<typeof approval>, Decided> = async (
  context,
  raw,
  envelope,
) => {
  const input = parse(approval, raw);
  const request = await requestOf(context, input.requestId);
  const { status } = await present(context, user, request.sub);
  if (status !== 'enabled') {
    throw new DomainError('disabled', 'the person may not sign in', { field: 'requestId' });
  }
  const authentication = { authTime: envelope.at, acr: input.acr, amr: input.amr };
  return approve(context, request, { ...authentication, by: 'administrator' }, envelope);
};

export const denyBackchannelRequest: Command<z.input<typeof decision>, Decided> = async (
  context,
  raw,
  envelope,
) => {
  const input = parse(decision, raw);
  return deny(context, input.requestId, 'administrator', envelope);
};

type Envelope = Parameters<Command<never, object>>[2];

async function approve(
  context: CommandContext,
  request: BackchannelRequest,
  decided: Authentication & { readonly by: DecidedBy },
  envelope: Envelope,
) {
  const { digest, clientId, sub, allowance } = request;
  const grantId = randomToken();
  const basis = await basisOf(context, clientId, decided.by);
  const terms: GrantTerms = {
    grantId,
    sub,
    clientId,
    sessionUid: null,
    ...allowance,
    declined: { scopes: [], claims: [], resources: {} },
    assertedBy: null,
    basis,
  };
  const acts: Act[] = [
    act(backchannelRequest, digest, [
      {
        type: 'ApproveBackchannelAuthentication',
        data: { ...decided, grantId, at: envelope.at },
      },
    ]),
    act(grant, grantId, [{ type: 'OpenGrant', data: terms }], { fresh: true }),
  ];
  if (basis === 'consent') {
    const given = { sub, clientId, ...allowance };
    acts.push(act(consent, `${sub}.${clientId}`, [{ type: 'GrantConsent', data: given }]));
  }
  return carryOut(context, acts, envelope, { requestId: digest });
}

function deny(context: CommandContext, requestId: string, by: DecidedBy, envelope: Envelope) {
  const acts = [
    act(backchannelRequest, requestId, [
      { type: 'DenyBackchannelAuthentication', data: { by, at: envelope.at } },
    ]),
  ];
  return carryOut(context, acts, envelope, { requestId });
}

/** What the grant rests on: the client's consent type says so, unless the consent came from outside. */
async function basisOf(context: CommandContext, clientId: string, by: DecidedBy) {
  const { status, registration } = await present(context, client, clientId);
  if (!registration || status !== 'enabled') {
    throw new DomainError('disabled', 'the client is not enabled', { field: 'requestId' });
  }
  if (registration.consentType === 'implicit') return 'implicit';
  return registration.consentType === 'external' || by === 'administrator' ? 'external' : 'consent';
}

async function ownRequest(context: CommandContext, requestId: string, sub: string) {
  const request = await requestOf(context, requestId);
  if (request.sub !== sub) throw unknown();
  return request;
}

async function requestOf(context: CommandContext, requestId: string) {
  const { request } = await present(context, backchannelRequest, requestId);
  if (!request) throw unknown();
  return request;
}

/** The state of an entity as the log has it. */
async function present<S, W, F>(
  { store }: CommandContext,
  decider: Decider<S, W, F>,
  id: string,
): Promise<S> {
  return fold(decider, (await store.read(streamOf(decider, id))).map(upcast));
}

function unknown(): DomainError {
  return new DomainError('not_found', 'no such request is waiting', { field: 'requestId' });
}
