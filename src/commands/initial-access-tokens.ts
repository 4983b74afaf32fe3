import { z } from 'zod';
import { DomainError } from '../domain/errors.ts';
import { initialAccessToken } from '../domain/initial-access-token.ts';
import { act } from '../eventstore/execute.ts';
import { digest, randomToken } from '../platform/secrets.ts';
import { grantTypes, requirements } from './client-fields.ts';
import { type Command, carryOut, expectedVersion, parse } from './command.ts';
import { list, name, optional, reason, scopeToken } from './fields.ts';

/** A token in clear starts so: people and leak scanners recognise it. */
const PREFIX = 'mun_iat_';
/** Milliseconds. */
const LONGEST = 366 * 86_400_000;

const scope = scopeToken.refine(
  (name) => name !== '*' && !name.startsWith('admin:'),
  'must be a single scope, and none of the Admin API',
);

const host = z
  .string()
  .toLowerCase()
  .regex(
    /^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$|^\[[0-9a-f:]+\]$/,
    'must be a host, such as *.example.com',
  )
  .max(253, 'must not be longer than 253 characters');

const policy = z.object({
  grantTypes: optional(grantTypes, ['authorization_code', 'refresh_token']),
  scopes: optional(list(scope), ['openid']),
  redirectHosts: optional(list(host), []),
  requirements: optional(requirements, requirements.parse({})),
  consentType: optional(z.enum(['explicit', 'external', 'systematic']), 'explicit'),
});

const creation = z.object({
  description: name(),
  policy: optional(policy, policy.parse({})),
  quota: optional(z.int().min(1, 'must be at least 1').max(10_000, 'must be at most 10000'), 1),
  expiresAt: z.iso.datetime({ offset: true, message: 'must be an ISO 8601 instant' }),
});

/** Creates an initial access token; its value is in the result only, the log has its digest. */
export const createInitialAccessToken: Command<
  z.input<typeof creation>,
  { tokenId: string; token: string }
> = async (context, raw, envelope) => {
  const input = parse(creation, raw);
  const expiresAt = new Date(input.expiresAt).toISOString();
  const away = Date.parse(expiresAt) - Date.parse(envelope.at);
  if (away <= 0 || away > LONGEST) {
    throw new DomainError('invalid', 'must be in the future, within a year', {
      field: 'expiresAt',
    });
  }
  const tokenId = randomToken(12);
  const token = PREFIX + randomToken();
  const data = { ...input, tokenId, digest: digest(token), expiresAt };
  const acts = [act(initialAccessToken, tokenId, [{ type: 'CreateInitialAccessToken', data }])];
  return carryOut(context, acts, envelope, { tokenId, token });
};

const revocation = z.object({ tokenId: name(100), reason, expectedVersion });

/** Ends an initial access token; the clients registered with it stay. */
export const revokeInitialAccessToken: Command<
  z.input<typeof revocation>,
  { tokenId: string }
> = async (context, raw, envelope) => {
  const { tokenId, reason, ...options } = parse(revocation, raw);
  const wish = { type: 'RevokeInitialAccessToken', data: { reason } } as const;
  const acts = [act(initialAccessToken, tokenId, [wish], options)];
  return carryOut(context, acts, envelope, { tokenId });
};
