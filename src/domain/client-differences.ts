import type { ClientFacts, ClientRegistration } from './client.ts';
import type { Fact } from './decider.ts';
import { replacements } from './declaration.ts';

/** Which fields of a registration each fact of a change tells. */
const CHANGES = {
  ClientTypeChanged: ['clientType', 'applicationType'],
  ClientPresentationChanged: [
    'displayName',
    'description',
    'clientUri',
    'logoUri',
    'policyUri',
    'tosUri',
  ],
  ClientRedirectUrisChanged: ['redirectUris'],
  ClientPostLogoutRedirectUrisChanged: ['postLogoutRedirectUris'],
  ClientPermissionsChanged: ['permissions'],
  ClientRequirementsChanged: ['requirements'],
  ClientConsentTypeChanged: ['consentType'],
  ClientConsentLifetimeChanged: ['consentLifetime'],
  ClientTokenPolicyChanged: ['tokenPolicy'],
  ClientTokenExchangePolicyChanged: ['tokenExchange'],
  ClientResponseProtectionChanged: ['responseProtection'],
  ClientAuthenticationMethodChanged: ['authenticationMethod'],
  ClientCertificateSubjectChanged: ['certificateSubject'],
  ClientProfileChanged: ['profile'],
  ClientKeysChanged: ['jwks', 'jwksUri'],
  ClientSubjectTypeChanged: ['subjectType'],
  ClientLogoutChanged: ['logout'],
  ClientCibaChanged: ['ciba'],
  ClientAllowedOriginsChanged: ['allowedOrigins'],
  ClientPropertiesChanged: ['properties'],
} as const satisfies { readonly [T in keyof ClientFacts]?: readonly (keyof ClientRegistration)[] };

type Told = (typeof CHANGES)[keyof typeof CHANGES][number];

/** A field whose change no fact tells is a compile error here, and the error names it. */
export const untold: never[] = [] as Exclude<
  keyof ClientRegistration,
  Told | 'clientId' | 'origin'
>[];

/** The facts that lead from one registration to another. */
export function differences(
  before: ClientRegistration,
  after: ClientRegistration,
): Fact<ClientFacts>[] {
  return replacements<ClientFacts>(CHANGES, before, after);
}
