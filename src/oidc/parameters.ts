import type Provider from 'oidc-provider';

/** Puts other values in the place of some parameters of a request to one of the library's routes. */
export type Rewrite = (route: string, params: Record<string, unknown>) => void;

const PARAMS = Symbol('params');

interface Holder {
  readonly route: string;
  [PARAMS]?: Record<string, unknown>;
}

/** Has the parameters of each request rewritten before the library looks at them. */
export function rewriteParameters(provider: Provider, rewrites: readonly Rewrite[]): void {
  Object.defineProperty(provider.OIDCContext.prototype, 'params', {
    get(this: Holder) {
      return this[PARAMS];
    },
    set(this: Holder, params: Record<string, unknown>) {
      for (const rewrite of rewrites) rewrite(this.route, params);
      this[PARAMS] = params;
    },
  });
}
