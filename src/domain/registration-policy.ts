import type { ClientRegistration, ClientRequirements, ConsentType } from './client.ts';
import { DomainError } from './errors.ts';

/** What a client that nobody here knows may make of itself. */
export interface RegistrationPolicy {
  /** Values of grant_type it may use. */
  readonly grantTypes: readonly string[];
  /** Scopes it may ask for; those it gets when it names none. */
  readonly scopes: readonly string[];
  /** Hosts of its redirect URIs, `*.` in front for all below; empty for any. */
  readonly redirectHosts: readonly string[];
  /** What it must do, whatever it says itself. */
  readonly requirements: ClientRequirements;
  readonly consentType: Exclude<ConsentType, 'implicit'>;
}

/** For clients that come without an invitation: a person agrees to all they get. */
export function openPolicy(scopes: readonly string[]): RegistrationPolicy {
  return {
    grantTypes: [
      'authorization_code',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:device_code',
    ],
    scopes,
    redirectHosts: [],
    requirements: {
      pkce: true,
      pushedAuthorizationRequests: false,
      signedRequestObjects: false,
      dpop: false,
      dpopNonce: false,
      certificateBoundTokens: false,
    },
    consentType: 'explicit',
  };
}

/** What a client says of itself, with what the policy has the last word on. */
export function governed(
  registration: ClientRegistration,
  { requirements, consentType }: RegistrationPolicy,
): ClientRegistration {
  const all = Object.entries(registration.requirements).map(([name, own]) => [
    name,
    own || requirements[name as keyof ClientRequirements],
  ]);
  return { ...registration, consentType, requirements: Object.fromEntries(all) };
}

/** @throws DomainError `invalid` for the first thing that the policy does not permit */
export function assertPermitted(
  { permissions, redirectUris }: ClientRegistration,
  policy: RegistrationPolicy,
): void {
  const among = (allowed: readonly string[]) => (value: string) => !allowed.includes(value);
  refuse('permissions.grantTypes', permissions.grantTypes.find(among(policy.grantTypes)));
  refuse('permissions.scopes', permissions.scopes.find(among(policy.scopes)));
  refuse(
    'redirectUris',
    redirectUris.find((uri) => !mayRedirect(uri, policy)),
  );
}

function refuse(field: string, value: string | undefined): void {
  if (value !== undefined) throw new DomainError('invalid', `${value} is not permitted`, { field });
}

function mayRedirect(uri: string, { redirectHosts }: RegistrationPolicy): boolean {
  return redirectHosts.length === 0 || isHostAmong(redirectHosts, URL.parse(uri)?.hostname ?? '');
}

/** Whether a host is one of these; `*.example.com` stands for all below example.com. */
export function isHostAmong(hosts: readonly string[], host: string): boolean {
  return hosts.some((each) =>
    each.startsWith('*.') ? host.endsWith(each.slice(1)) : each === host,
  );
}
