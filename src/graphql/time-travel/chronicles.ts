/** How the lives of the entities are told: which of their fields there are, and which stay sealed. */
import {
  type ApiResourceFacts,
  type ApiResourceState,
  type ApiResourceWishes,
  apiResource,
} from '../../domain/api-resource.ts';
import {
  type BackchannelRequestFacts,
  type BackchannelRequestState,
  type BackchannelRequestWishes,
  backchannelRequest,
} from '../../domain/backchannel-request.ts';
import {
  type ClientFacts,
  type ClientRegistration,
  type ClientState,
  type ClientWishes,
  client,
} from '../../domain/client.ts';
import {
  type ConsentFacts,
  type ConsentState,
  type ConsentWishes,
  consent,
} from '../../domain/consent.ts';
import {
  type CookieKeyFacts,
  type CookieKeyState,
  type CookieKeyWishes,
  cookieKey,
} from '../../domain/cookie-key.ts';
import {
  type DeviceAuthorizationFacts,
  type DeviceAuthorizationState,
  type DeviceAuthorizationWishes,
  deviceAuthorization,
} from '../../domain/device-authorization.ts';
import {
  type GrantFacts,
  type GrantState,
  type GrantWishes,
  grant,
  isRedeemable,
} from '../../domain/grant.ts';
import {
  type InitialAccessTokenFacts,
  type InitialAccessTokenState,
  type InitialAccessTokenWishes,
  initialAccessToken,
} from '../../domain/initial-access-token.ts';
import { digestsOf } from '../../domain/issued.ts';
import {
  type NoticeFacts,
  type NoticeState,
  type NoticeWishes,
  notice,
} from '../../domain/notice.ts';
import { type ScopeFacts, type ScopeState, type ScopeWishes, scope } from '../../domain/scope.ts';
import {
  type SessionFacts,
  type SessionState,
  type SessionWishes,
  session,
} from '../../domain/session.ts';
import {
  type SigningKeyFacts,
  type SigningKeyState,
  type SigningKeyWishes,
  signingKey,
} from '../../domain/signing-key.ts';
import {
  type ClientTokenFacts,
  type ClientTokenState,
  type ClientTokenWishes,
  clientToken,
} from '../../domain/token.ts';
import {
  type TrustedIssuerFacts,
  type TrustedIssuerState,
  type TrustedIssuerWishes,
  trustedIssuer,
} from '../../domain/trusted-issuer.ts';
import { type UserFacts, type UserState, type UserWishes, user } from '../../domain/user.ts';
import { type Chronicle, SEALED, type Teller, teller } from './telling.ts';

export const clientChronicle: Chronicle<ClientState, ClientWishes, ClientFacts> = {
  decider: client,
  sealed: [],
  fields: ({ registration, status, localizations, secrets, registrationAccess }) =>
    registration
      ? {
          ...(registration satisfies ClientRegistration),
          status,
          localizations,
          ...(registrationAccess && { registrationPolicy: registrationAccess.policy }),
          secrets: secrets.map((secret) => ({ ...secret, digest: SEALED })),
        }
      : {},
};

export const scopeChronicle: Chronicle<ScopeState, ScopeWishes, ScopeFacts> = {
  decider: scope,
  sealed: [],
  fields: ({ definition, localizations }) => (definition ? { ...definition, localizations } : {}),
};

export const apiResourceChronicle: Chronicle<
  ApiResourceState,
  ApiResourceWishes,
  ApiResourceFacts
> = {
  decider: apiResource,
  sealed: [],
  fields: ({ definition }) => ({
    ...definition,
    ...(definition?.encryption?.secret
      ? { encryption: { ...definition.encryption, secret: SEALED } }
      : {}),
  }),
};

export const userChronicle: Chronicle<UserState, UserWishes, UserFacts> = {
  decider: user,
  sealed: ['usernameDigest', 'personal', 'verifier', 'backchannelCode'],
  fields: ({ status, roles }, sealed) =>
    status === 'erased' ? { status, roles } : { status, roles, ...sealed },
};

export const signingKeyChronicle: Chronicle<SigningKeyState, SigningKeyWishes, SigningKeyFacts> = {
  decider: signingKey,
  sealed: ['privateJwk'],
  fields: ({ status }, sealed) => (status === 'none' ? {} : { status, ...sealed }),
};

export const cookieKeyChronicle: Chronicle<CookieKeyState, CookieKeyWishes, CookieKeyFacts> = {
  decider: cookieKey,
  sealed: ['secret'],
  fields: ({ status }, sealed) => (status === 'none' ? {} : { status, ...sealed }),
};

export const trustedIssuerChronicle: Chronicle<
  TrustedIssuerState,
  TrustedIssuerWishes,
  TrustedIssuerFacts
> = {
  decider: trustedIssuer,
  sealed: [],
  fields: ({ trusted }) => ({ ...trusted }),
};

export const consentChronicle: Chronicle<ConsentState, ConsentWishes, ConsentFacts> = {
  decider: consent,
  sealed: [],
  fields: ({ terms }) => ({ ...terms }),
};

export const grantChronicle: Chronicle<GrantState, GrantWishes, GrantFacts> = {
  decider: grant,
  sealed: [],
  fields: ({ status, terms, codes, accessTokens, refreshTokens }) =>
    terms
      ? {
          ...terms,
          status,
          codes: digestsOf(codes, isRedeemable),
          accessTokens: digestsOf(accessTokens),
          refreshTokens: digestsOf(refreshTokens, isRedeemable),
        }
      : {},
};

export const noticeChronicle: Chronicle<NoticeState, NoticeWishes, NoticeFacts> = {
  decider: notice,
  sealed: [],
  fields: ({ status, attempts }) => ({ status, attempts }),
};

export const sessionChronicle: Chronicle<SessionState, SessionWishes, SessionFacts> = {
  decider: session,
  sealed: [],
  fields: ({ status, sub, authentication, clients }) =>
    status === 'none' ? {} : { status, sub, ...authentication, clients: Object.values(clients) },
};

export const tokenChronicle: Chronicle<ClientTokenState, ClientTokenWishes, ClientTokenFacts> = {
  decider: clientToken,
  sealed: [],
  fields: ({ status }) => (status === 'none' ? {} : { status }),
};

export const deviceAuthorizationChronicle: Chronicle<
  DeviceAuthorizationState,
  DeviceAuthorizationWishes,
  DeviceAuthorizationFacts
> = {
  decider: deviceAuthorization,
  sealed: [],
  kept: ['clientId', 'scopes', 'sub', 'grantId', 'sessionUid', 'error', 'description'],
  fields: ({ status, expiresAt }, kept) =>
    status === 'none' ? {} : { status, expiresAt, ...kept },
};

export const backchannelRequestChronicle: Chronicle<
  BackchannelRequestState,
  BackchannelRequestWishes,
  BackchannelRequestFacts
> = {
  decider: backchannelRequest,
  sealed: ['bindingMessage'],
  kept: ['clientId', 'sub', 'scopes', 'expiresAt', 'by', 'grantId', 'authTime', 'acr', 'amr'],
  fields: ({ status }, { bindingMessage, ...kept }) =>
    status === 'none' ? {} : { status, ...kept, ...(bindingMessage ? { bindingMessage } : {}) },
};

export const initialAccessTokenChronicle: Chronicle<
  InitialAccessTokenState,
  InitialAccessTokenWishes,
  InitialAccessTokenFacts
> = {
  decider: initialAccessToken,
  sealed: ['digest'],
  fields: ({ token, clientIds, revoked }, sealed) =>
    token ? { ...token, clientIds, revoked, ...sealed } : {},
};

/** By the type of the API: whatever is a Node there is told of here. */
export const tellers = {
  Client: teller(clientChronicle),
  Scope: teller(scopeChronicle),
  ApiResource: teller(apiResourceChronicle),
  User: teller(userChronicle),
  SigningKey: teller(signingKeyChronicle),
  CookieKey: teller(cookieKeyChronicle),
  InitialAccessToken: teller(initialAccessTokenChronicle),
  TrustedIssuer: teller(trustedIssuerChronicle),
  Consent: teller(consentChronicle),
  Grant: teller(grantChronicle),
  Session: teller(sessionChronicle),
  Token: teller(tokenChronicle),
  DeviceAuthorization: teller(deviceAuthorizationChronicle),
  BackchannelRequest: teller(backchannelRequestChronicle),
  Notice: teller(noticeChronicle),
} as const satisfies Record<string, Teller>;
