import { type ExtensionGrant, type GrantContext } from './extension-grant.ts';
import { jwtBearer } from './jwt-bearer.ts';
import { password } from './password.ts';
import { tokenExchange } from './token-exchange.ts';

/** THE LIST of extension grants (see docs/extension-grants.md). */
export const EXTENSION_GRANTS: readonly ExtensionGrant[] = [jwtBearer, password, tokenExchange];

/** Makes a provider answer the extension grants. */
export function registerExtensionGrants(context: GrantContext): void {
  for (const grant of EXTENSION_GRANTS) {
    context.provider.registerGrantType<Readonly<Record<string, unknown>>>(
      grant.name,
      (ctx) => grant.handle(context, ctx),
      grant.parameters,
      grant.repeatable,
    );
  }
}
