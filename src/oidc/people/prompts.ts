import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';

const { Prompt, base } = interactionPolicy;

/**
 * What a person may be asked on the way, in this order; the names are values of `prompt`.
 * @param selfRegistration whether `create` is among them (Initiating User Registration 1.0)
 */
export function prompts({
  selfRegistration,
}: {
  selfRegistration: boolean;
}): interactionPolicy.Prompt[] {
  const policy = base();
  const native = policy.get('consent')?.checks.get('native_client_prompt');
  if (!native) throw new Error('oidc-provider asks nothing of native applications any more');
  const { check } = native;
  native.check = (ctx) => !comesBackToItself(ctx) && check(ctx);

  policy.add(new Prompt({ name: 'select_account', requestable: true }), 0);
  if (selfRegistration) policy.add(new Prompt({ name: 'create', requestable: true }), 0);
  return policy;
}

/** The values of `prompt` there are, for the discovery document. */
export function promptValues(options: { selfRegistration: boolean }): string[] {
  return ['none', ...prompts(options).map(({ name }) => name)];
}

/**
 * Whoever else is on the device could come by the answer, unless it goes to an https address that
 * belongs to the application: the others are confirmed each time (RFC 8252 §8.6).
 */
function comesBackToItself({ oidc }: KoaContextWithOIDC): boolean {
  return String(oidc.params?.redirect_uri ?? '').startsWith('https:');
}
