import { scopesOfRoles, withinRoles } from '../commands/admin-rights.ts';
import { ADMIN_RESOURCE } from '../commands/seed/seed.ts';
import type { Instant } from '../domain/ids.ts';
import type { Envelope } from '../eventstore/event-store.ts';
import type { AdminTokenRow } from '../projections/admin-token.ts';

/** Who calls the Admin API, and what their token allows. */
export interface Principal {
  readonly actor: Envelope['actor'];
  readonly scopes: readonly string[];
}

/** Why a call has no principal, in the terms of RFC 6750 §3.1; no error where no token was sent. */
export interface Refusal {
  readonly error?: 'invalid_request' | 'invalid_token';
  readonly description?: string;
}

/** The token of an Authorization header, or why there is none. */
export function bearerToken(header: string | undefined): string | Refusal {
  if (!header) return {};
  const [scheme = '', token, ...rest] = header.split(' ');
  if (scheme.toLowerCase() !== 'bearer') return {};
  if (!token || rest.length > 0 || token.length > 4_096) {
    return { error: 'invalid_request', description: 'one bearer token is expected' };
  }
  if (/^[\w-]+\.[\w-]+\.[\w-]*$/.test(token))
    return invalid('the Admin API takes no JWT: ask for a reference token');
  return token;
}

/** Whether a token is good for the Admin API at this moment, and whose it is. */
export function principalOf(token: AdminTokenRow | undefined, now: Instant): Principal | Refusal {
  if (token?.format !== 'reference') return invalid('the token is not known');
  if (token.expires_at <= now) return invalid('the token has expired');
  if (token.revoked_at || token.grant_revoked_at || token.session_ended_at) {
    return invalid('the token has been revoked');
  }
  if (token.audience !== ADMIN_RESOURCE) return invalid(`the token is not for ${ADMIN_RESOURCE}`);
  if ('jkt' in token.parameters || 'x5t#S256' in token.parameters) {
    return invalid('the token is bound to a key and cannot be used as a bearer token');
  }
  if (!token.client_known || token.client_disabled_at) return invalid('the client is disabled');
  if (token.sub === null) {
    return { actor: { type: 'client', id: token.client_id }, scopes: token.scopes };
  }
  if (!token.user_known || token.user_disabled_at) return invalid('the user is disabled');
  const roles = token.roles ?? [];
  if (scopesOfRoles(roles).length === 0) return invalid('the user is no operator');
  return { actor: { type: 'operator', id: token.sub }, scopes: withinRoles(token.scopes, roles) };
}

/** The WWW-Authenticate header of a refusal (RFC 6750 §3). */
export function challenge(realm: string, { error, description }: Refusal): string {
  const parameters = { realm, error, error_description: description };
  const written = Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}="${value}"`);
  return `Bearer ${written.join(', ')}`;
}

function invalid(description: string): Refusal {
  return { error: 'invalid_token', description };
}
