import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { Client, KoaContextWithOIDC } from 'oidc-provider';
import Provider, { errors } from 'oidc-provider';
import { ENDPOINTS } from '../../commands/client-fields.ts';
import { mayBeSignedWith } from '../../domain/client-profiles.ts';
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
 * Checks a request as soon as it is known which client it is of: at every endpoint that is the moment
 * in which the library takes it for the request's. Where clients authenticate this comes before, and
 * tells no more than that the client may not come there.
 */
export function checkKnownClients(provider: Provider): void {
  const { prototype } = provider.OIDCContext;
  const { entity } = prototype;
  Object.assign(prototype, {
    entity(this: KoaContextWithOIDC['oidc'], key: string, value: unknown): void {
      entity.call(this, key, value);
      if (key !== 'Client' || !value) return;
      assertPermitted(value as Client, this.route);
      assertProof(value as Client, this.route);
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

/**
 * What the library does not ask of a DPoP proof, or not of this client's; it checks the proof itself.
 * @throws InvalidDpopProof, UseDpopNonce
 */
function assertProof(client: Client, route: string): void {
  const proof = readProof(Provider.ctx?.get('DPoP') ?? '');
  if (!proof) return;
  if (!mayBeSignedWith(policyOf(client).profile, proof.alg)) {
    throw new errors.InvalidDpopProof('the algorithm is not one of the client’s profile');
  }
  // Elsewhere the client is known before the proof is checked: see `requireNonce` in configuration.ts.
  if (route === 'userinfo' && policyOf(client).requirements.dpopNonce && !proof.nonce) {
    throw new errors.UseDpopNonce('nonce is required in the DPoP proof');
  }
}

function readProof(jwt: string): { alg: string | undefined; nonce: unknown } | undefined {
  if (jwt === '') return undefined;
  try {
    return { alg: decodeProtectedHeader(jwt).alg, nonce: decodeJwt(jwt).nonce };
  } catch {
    return undefined;
  }
}
