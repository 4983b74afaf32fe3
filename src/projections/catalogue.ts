import type { ApiResourceRow } from './api-resources.ts';
import type { CookieKeyRow } from './cookie-keys.ts';
import type { KnownScope, ProtocolReads } from './protocol-reads.ts';
import type { SigningKeyRow } from './signing-keys.ts';

/** What every token request needs and operators seldom change. */
export interface Catalogue {
  readonly scopes: ReadonlyMap<string, KnownScope>;
  /** By identifier. */
  readonly resources: ReadonlyMap<string, ApiResourceRow>;
  /** Those that have not been retired; active ones first, the newest of them before the others. */
  readonly signingKeys: readonly SigningKeyRow[];
  /** Likewise. */
  readonly cookieKeys: readonly CookieKeyRow[];
}

/** Streams whose facts change the catalogue. */
const CATEGORIES = /^(scope|resource|key|cookiekey)-/;

/** Whether a commit to these streams may have changed the catalogue. */
export function changesCatalogue(streams: Iterable<{ readonly stream: string }>): boolean {
  return [...streams].some(({ stream }) => CATEGORIES.test(stream));
}

export async function readCatalogue(reads: ProtocolReads): Promise<Catalogue> {
  const [scopes, resources, signingKeys, cookieKeys] = await Promise.all([
    reads.scopes(),
    reads.resources(),
    reads.signingKeys(),
    reads.cookieKeys(),
  ]);
  return {
    scopes: new Map(scopes.map((scope) => [scope.name, scope])),
    resources: new Map(resources.map((resource) => [resource.identifier, resource])),
    signingKeys,
    cookieKeys,
  };
}
