import type Provider from 'oidc-provider';

/** Puts other values in the place of some parameters of a request to one of the library's routes. */
export type Rewrite = (route: string, params: Record<string, unknown>) => void;

/** Has the parameters of each request rewritten before the library looks at them. */
export function rewriteParameters(provider: Provider, rewrites: readonly Rewrite[]): void {
  const all = new WeakMap<object, Record<string, unknown>>();
  Object.defineProperty(provider.OIDCContext.prototype, 'params', {
    get(this: object) {
      return all.get(this);
    },
    set(this: { route: string }, params: Record<string, unknown>) {
      for (const rewrite of rewrites) rewrite(this.route, params);
      all.set(this, params);
    },
  });
}
