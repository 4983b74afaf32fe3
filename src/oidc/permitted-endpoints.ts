import type Provider from 'oidc-provider';
import type { Client } from 'oidc-provider';
import { errors } from 'oidc-provider';
import { ENDPOINTS } from '../commands/client-fields.ts';
import { policyOf } from './clients.ts';

/** Routes on which a way goes on that began at an endpoint by another name. */
const BEGAN_AT: Readonly<Record<string, string>> = {
  resume: 'authorization',
  code_verification: 'device_authorization',
  device_resume: 'device_authorization',
  end_session_confirm: 'end_session',
  end_session_success: 'end_session',
};

/**
 * Has a client refused at endpoints it is not permitted, as soon as it is known which client it is: at
 * every endpoint that is the moment in which the library takes it for the request's. Where clients
 * authenticate this comes before, and tells no more than that.
 */
export function permitEndpoints(provider: Provider): void {
  const { prototype } = provider.OIDCContext;
  const { entity } = prototype;
  Object.assign(prototype, {
    entity(this: { readonly route: string }, key: string, value: unknown): void {
      entity.call(this, key, value);
      if (key === 'Client' && value) assertPermitted(value as Client, this.route);
    },
  });
}

/** @throws UnauthorizedClient */
function assertPermitted(client: Client, route: string): void {
  const { endpoints } = policyOf(client);
  const endpoint = BEGAN_AT[route] ?? route;
  if (endpoints.includes('*') || endpoints.includes(endpoint)) return;
  if (!ENDPOINTS.some((each) => each === endpoint)) return;
  throw new errors.UnauthorizedClient(`the client is not permitted the endpoint ${endpoint}`);
}
