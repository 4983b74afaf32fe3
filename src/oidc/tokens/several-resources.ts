import type Provider from 'oidc-provider';
import type { AccessToken, ClientCredentials, Grant } from 'oidc-provider';
import type { Audience } from '../../domain/token.ts';
import type { Catalogue } from '../../projections/catalogue.ts';
import { scopeList } from '../adapter/model-adapter.ts';

/** A namespace of our own: nobody can define an API resource of several. */
const SEVERAL = 'urn:muniment:resources:';

/** Grant types whose access token is for what the request itself names. */
const DIRECT = [
  'client_credentials',
  'password',
  'urn:ietf:params:oauth:grant-type:jwt-bearer',
] as const;

/**
 * Several API resources under one identifier: to the library a token is for one. Wherever it hands
 * such an identifier back, it stands for all its parts (docs/adr/0013-several-audiences.md).
 */
export function together(identifiers: readonly string[]): string {
  const [first = '', ...others] = new Set(identifiers);
  if (others.length === 0) return first;
  return SEVERAL + [first, ...others].map(encodeURIComponent).join(',');
}

/** The resources that an identifier stands for: itself, as a rule. */
export function partsOf(identifier: string): string[] {
  if (!identifier.startsWith(SEVERAL)) return [identifier];
  return identifier.slice(SEVERAL.length).split(',').map(decoded);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** What a token for an identifier says of its audience (RFC 7519 §4.1.3). */
export function audienceOf(identifier: string): NonNullable<Audience> {
  const parts = partsOf(identifier);
  return parts.length > 1 ? parts : identifier;
}

/** Several `resource` parameters of such a request are one to the library. */
export function takeSeveralResources(route: string, params: Record<string, unknown>): void {
  const { grant_type: grantType, resource } = params;
  if (route !== 'token' || !Array.isArray(resource)) return;
  if (DIRECT.some((each) => each === grantType)) params.resource = together(resource.map(String));
}

/** Teaches the models of the library what an identifier of several stands for. */
export function knowSeveralResources(provider: Provider, { scopes }: Catalogue): void {
  const setAudience = {
    value(this: AccessToken | ClientCredentials, audience: string) {
      Object.assign(this, { aud: audienceOf(audience) });
    },
  };
  Object.defineProperties(provider.AccessToken.prototype, { setAudience });
  Object.defineProperties(provider.ClientCredentials.prototype, { setAudience });

  Object.defineProperty(provider.BaseToken.prototype, 'resourceIndicators', {
    get(this: { resource?: string | readonly string[] }) {
      return new Indicators([this.resource ?? []].flat().flatMap(partsOf));
    },
  });

  const { prototype } = provider.Grant;
  const { getResourceScopeFiltered, addResourceScope } = prototype;
  Object.assign(prototype, {
    /** A scope of the token is one that was granted on each of the resources that know it. */
    getResourceScopeFiltered(this: Grant, identifier: string, filter: Iterable<string>): string {
      const wanted = new Set(filter);
      const parts = partsOf(identifier).map((resource) => ({
        resource,
        granted: scopeList(getResourceScopeFiltered.call(this, resource, wanted)),
      }));
      if (parts.length === 1) return parts.flatMap(({ granted }) => granted).join(' ');
      const knows = (resource: string, scope: string) =>
        scopes.get(scope)?.resources.includes(resource);
      return [...wanted]
        .filter((scope) => parts.some(({ granted }) => granted.includes(scope)))
        .filter((scope) =>
          parts.every(
            ({ resource, granted }) => granted.includes(scope) || !knows(resource, scope),
          ),
        )
        .join(' ');
    },

    /** Each of the resources is granted those of the scopes that it knows. */
    addResourceScope(this: Grant, identifier: string, scope: string): void {
      const parts = partsOf(identifier);
      for (const resource of parts) {
        const known = scopeList(scope).filter(
          (name) => parts.length === 1 || scopes.get(name)?.resources.includes(resource),
        );
        if (known.length > 0) addResourceScope.call(this, resource, known.join(' '));
      }
    },
  });
}

/** The resources that a code or refresh token was issued for; several of them are among them too. */
class Indicators extends Set<string> {
  override has(identifier: string): boolean {
    return partsOf(identifier).every((part) => super.has(part));
  }
}
