import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';

/** What a person may be asked on the way, in this order; the names are values of `prompt`. */
export function prompts(): interactionPolicy.Prompt[] {
  const policy = interactionPolicy.base();
  const native = policy.get('consent')?.checks.get('native_client_prompt');
  if (!native) throw new Error('oidc-provider asks nothing of native applications any more');
  const { check } = native;
  native.check = (ctx) => !comesBackToItself(ctx) && check(ctx);
  return policy;
}

/**
 * Whoever else is on the device could come by the answer, unless it goes to an https address that
 * belongs to the application: the others are confirmed each time (RFC 8252 §8.6).
 */
function comesBackToItself({ oidc }: KoaContextWithOIDC): boolean {
  return String(oidc.params?.redirect_uri ?? '').startsWith('https:');
}
