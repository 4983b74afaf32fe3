import { z } from 'zod';
import type {
  ClientOrigin,
  ClientRegistration,
  ClientSecret,
  ClientWishes,
} from '../domain/client.ts';
import { client } from '../domain/client.ts';
import type { Wish } from '../domain/decider.ts';
import { DomainError } from '../domain/errors.ts';
import type { Instant } from '../domain/ids.ts';
import { act } from '../eventstore/execute.ts';
import { digest, randomToken } from '../platform/secrets.ts';
import { assertKept, type NamesAlgorithms, responseProtection } from './algorithms.ts';
import { certificateSubject } from './certificate-subject.ts';
import { ciba } from './client-ciba.ts';
import {
  allowedOrigins,
  authenticationMethod,
  consentLifetime,
  consentType,
  localized,
  logout,
  permissions,
  presentation,
  profile,
  properties,
  requirements,
  subjectType,
  tokenExchange,
  tokenPolicy,
  uris,
} from './client-fields.ts';
import { type Command, type CommandContext, carryOut, expectedVersion, parse } from './command.ts';
import { locale, name, optional, orNull, reason, webUri } from './fields.ts';
import { jwks } from './jwks.ts';

/** A secret in clear starts so: people and leak scanners recognise it. */
const SECRET_PREFIX = 'mun_';
/** Ids of people start so; a client by such a name could be taken for one (RFC 9700 §4.15). */
const RESERVED_ID = /^usr_/;

export const clientId = z
  .string()
  .regex(/^[A-Za-z0-9._~-]{1,100}$/, 'must be 1 to 100 of the characters A-Z a-z 0-9 . _ ~ -')
  .refine((id) => !RESERVED_ID.test(id), 'must not start with usr_');

/** A client that is there may also be known by the address of its metadata document. */
const knownClientId = z.union([clientId, webUri], 'must be a client id');

const registrationInput = z.object({
  /** A random one when absent. */
  clientId: orNull(clientId),
  clientType: z.enum(['public', 'confidential']),
  applicationType: optional(z.enum(['web', 'native']), 'web'),
  authenticationMethod: orNull(authenticationMethod),
  certificateSubject,
  profile: optional(profile, 'none'),
  consentType: optional(consentType, 'explicit'),
  consentLifetime,
  redirectUris: optional(uris, []),
  postLogoutRedirectUris: optional(uris, []),
  permissions: orNull(permissions),
  requirements: optional(requirements, requirements.parse({})),
  tokenPolicy: optional(tokenPolicy, tokenPolicy.parse({})),
  tokenExchange: optional(tokenExchange, tokenExchange.parse({})),
  responseProtection: optional(responseProtection, responseProtection.parse({})),
  jwks,
  jwksUri: orNull(webUri),
  subjectType: optional(subjectType, 'public'),
  logout: optional(logout, logout.parse({})),
  ciba: optional(ciba, ciba.parse({})),
  allowedOrigins: optional(allowedOrigins, []),
  properties: optional(properties, {}),
  ...presentation,
});

export type ClientRegistrationInput = z.input<typeof registrationInput>;

/** What is left out is as the profile wants it. */
function byProfile(input: ClientRegistrationInput): ClientRegistrationInput {
  if (input.profile !== 'fapi2') return input;
  const { requirements, tokenPolicy } = input;
  return {
    ...input,
    requirements: {
      pushedAuthorizationRequests: true,
      dpop: !requirements?.certificateBoundTokens,
      ...said(requirements),
    },
    tokenPolicy: { refreshTokenUsage: 'reuse', ...said(tokenPolicy) },
  };
}

/** The fields of an input that are there, and not null. */
function said<T extends object>(input: T | null | undefined): Partial<T> {
  const fields = Object.entries(input ?? {}).filter(([, value]) => value != null);
  return Object.fromEntries(fields) as Partial<T>;
}

/** What is left out takes the safest value that makes a working client. */
function withDefaults(
  input: z.output<typeof registrationInput>,
  origin: ClientOrigin,
): ClientRegistration {
  const withKey = input.jwks || input.jwksUri ? 'private_key_jwt' : 'client_secret_basic';
  const keyed = input.certificateSubject ? 'tls_client_auth' : withKey;
  const interactive = input.redirectUris.length > 0;
  return {
    ...input,
    origin,
    clientId: input.clientId ?? randomToken(16),
    authenticationMethod:
      input.authenticationMethod ?? (input.clientType === 'public' ? 'none' : keyed),
    permissions: input.permissions ?? {
      endpoints: ['*'],
      grantTypes: interactive ? ['authorization_code'] : ['client_credentials'],
      responseTypes: interactive ? ['code'] : [],
      scopes: interactive ? ['openid'] : [],
      authorizationDetailTypes: [],
    },
  };
}

/**
 * What a client says of itself, checked as an administrator's input is.
 * @throws DomainError `invalid`
 */
export function selfDescription(
  said: object,
  clientId: string,
  origin: Exclude<ClientOrigin, 'administrator'>,
): ClientRegistration {
  const input = said as ClientRegistrationInput;
  return { ...withDefaults(parse(registrationInput, input), origin), clientId };
}

/**
 * A whole client, but for its secrets and translations; what is left out has its default.
 * @throws DomainError `invalid`
 */
export function checkedRegistration(
  context: Pick<CommandContext, 'signingAlgorithms'>,
  input: ClientRegistrationInput,
): ClientRegistration {
  const registration = withDefaults(parse(registrationInput, byProfile(input)), 'administrator');
  assertKept(context, registration);
  return registration;
}

/** A client's id, and a new secret of it in clear: only ever here, the log has its digest. */
export interface ClientWithSecret {
  readonly clientId: string;
  readonly secretId: string | null;
  readonly secret: string | null;
}

/**
 * Registers a client. One that authenticates with a secret gets its first: a random one, or the
 * `secret` an operator brings along (which then must be hard to guess).
 * @throws DomainError `already_exists`, `invalid`
 */
export const registerClient: Command<
  ClientRegistrationInput & { readonly secret?: string },
  ClientWithSecret
> = async (context, input, envelope) => {
  const registration = checkedRegistration(context, input);
  const { clientId } = registration;
  const wishes: Wish<ClientWishes>[] = [{ type: 'RegisterClient', data: registration }];
  if (!registration.authenticationMethod.startsWith('client_secret_')) {
    const acts = [act(client, clientId, wishes)];
    return carryOut(context, acts, envelope, { clientId, secretId: null, secret: null });
  }

  const made = makeSecret(envelope.at, input.secret);
  wishes.push({ type: 'AddClientSecret', data: made.fact });
  try {
    // Version 0: a repetition must not end in a second secret for the client that is there.
    return await carryOut(
      context,
      [act(client, clientId, wishes, { expectedVersion: 0 })],
      envelope,
      { clientId, secretId: made.fact.secretId, secret: made.secret },
    );
  } catch (error) {
    if (!(error instanceof DomainError && error.code === 'stale_version')) throw error;
    throw new DomainError('already_exists', `client ${clientId} exists already`, {
      field: 'clientId',
    });
  }
};

const secretInput = z.object({
  clientId: knownClientId,
  description: optional(name(), 'secret'),
  expiresAt: orNull(z.iso.datetime({ offset: true, message: 'must be an ISO 8601 instant' })),
  expectedVersion,
});

/** Adds a random secret beside those the client has, so that it can be rolled over. */
export const addClientSecret: Command<z.input<typeof secretInput>, ClientWithSecret> = async (
  context,
  raw,
  envelope,
) => {
  const input = parse(secretInput, raw);
  const expiresAt = input.expiresAt && new Date(input.expiresAt).toISOString();
  if (expiresAt && expiresAt <= envelope.at) {
    throw new DomainError('invalid', 'must be in the future', { field: 'expiresAt' });
  }
  const { fact, secret } = makeSecret(envelope.at, undefined, input.description, expiresAt);
  return carryOut(
    context,
    [act(client, input.clientId, [{ type: 'AddClientSecret', data: fact }], input)],
    envelope,
    { clientId: input.clientId, secretId: fact.secretId, secret },
  );
};

export function makeSecret(
  addedAt: Instant,
  given?: string,
  description = 'first secret',
  expiresAt: Instant | null = null,
): { secret: string; fact: ClientSecret } {
  if (given !== undefined && !/^[\x21-\x7e]{32,256}$/.test(given)) {
    throw new DomainError('invalid', 'must be 32 to 256 printable ASCII characters', {
      field: 'secret',
    });
  }
  const secret = given ?? SECRET_PREFIX + randomToken();
  return {
    secret,
    fact: { secretId: randomToken(9), digest: digest(secret), description, addedAt, expiresAt },
  };
}

interface Target {
  readonly clientId: string;
  readonly expectedVersion?: number;
}

/** A command that puts one wish to a client that is there. */
function wish<Output extends Target & NamesAlgorithms, Input>(
  schema: z.ZodType<Output, Input>,
  make: (input: Output) => Wish<ClientWishes>,
): Command<Input, { clientId: string }> {
  return async (context, raw, envelope) => {
    const input = parse(schema, raw);
    assertKept(context, input);
    const acts = [act(client, input.clientId, [make(input)], input)];
    return carryOut(context, acts, envelope, { clientId: input.clientId });
  };
}

const target = { clientId: knownClientId, expectedVersion };

export const changeClientPresentation = wish(
  z.object({ ...target, ...presentation }),
  ({ clientId: _, expectedVersion: __, ...data }) => ({ type: 'ChangeClientPresentation', data }),
);

/** `text: null` takes the translation away; a field that is null in it shows what is said for all. */
export const localizeClient = wish(
  z.object({ ...target, locale, text: orNull(z.object(localized)) }),
  ({ locale, text }) => ({ type: 'LocalizeClient', data: { locale, text } }),
);

export const changeClientRedirectUris = wish(
  z.object({ ...target, redirectUris: uris }),
  ({ redirectUris }) => ({ type: 'ChangeClientRedirectUris', data: { redirectUris } }),
);

export const changeClientPostLogoutRedirectUris = wish(
  z.object({ ...target, postLogoutRedirectUris: uris }),
  ({ postLogoutRedirectUris }) => ({
    type: 'ChangeClientPostLogoutRedirectUris',
    data: { postLogoutRedirectUris },
  }),
);

export const changeClientPermissions = wish(
  z.object({ ...target, permissions }),
  ({ permissions }) => ({ type: 'ChangeClientPermissions', data: { permissions } }),
);

export const changeClientRequirements = wish(
  z.object({ ...target, requirements }),
  ({ requirements }) => ({ type: 'ChangeClientRequirements', data: { requirements } }),
);

export const changeClientConsentType = wish(
  z.object({ ...target, consentType }),
  ({ consentType }) => ({ type: 'ChangeClientConsentType', data: { consentType } }),
);

export const changeClientConsentLifetime = wish(
  z.object({ ...target, consentLifetime }),
  ({ consentLifetime }) => ({ type: 'ChangeClientConsentLifetime', data: { consentLifetime } }),
);

export const changeClientTokenExchangePolicy = wish(
  z.object({ ...target, tokenExchange }),
  ({ tokenExchange }) => ({ type: 'ChangeClientTokenExchangePolicy', data: { tokenExchange } }),
);

export const changeClientTokenPolicy = wish(
  z.object({ ...target, tokenPolicy }),
  ({ tokenPolicy }) => ({ type: 'ChangeClientTokenPolicy', data: { tokenPolicy } }),
);

export const changeClientResponseProtection = wish(
  z.object({ ...target, responseProtection }),
  ({ responseProtection }) => ({
    type: 'ChangeClientResponseProtection',
    data: { responseProtection },
  }),
);

export const changeClientAuthenticationMethod = wish(
  z.object({ ...target, authenticationMethod }),
  ({ authenticationMethod }) => ({
    type: 'ChangeClientAuthenticationMethod',
    data: { authenticationMethod },
  }),
);

export const changeClientCertificateSubject = wish(
  z.object({ ...target, certificateSubject }),
  ({ certificateSubject }) => ({
    type: 'ChangeClientCertificateSubject',
    data: { certificateSubject },
  }),
);

export const changeClientProfile = wish(z.object({ ...target, profile }), ({ profile }) => ({
  type: 'ChangeClientProfile',
  data: { profile },
}));

export const changeClientKeys = wish(
  z.object({ ...target, jwks, jwksUri: orNull(webUri) }),
  ({ jwks, jwksUri }) => ({ type: 'ChangeClientKeys', data: { jwks, jwksUri } }),
);

export const changeClientSubjectType = wish(
  z.object({ ...target, subjectType }),
  ({ subjectType }) => ({ type: 'ChangeClientSubjectType', data: { subjectType } }),
);

export const changeClientLogout = wish(z.object({ ...target, logout }), ({ logout }) => ({
  type: 'ChangeClientLogout',
  data: { logout },
}));

export const changeClientCiba = wish(z.object({ ...target, ciba }), ({ ciba }) => ({
  type: 'ChangeClientCiba',
  data: { ciba },
}));

export const changeClientAllowedOrigins = wish(
  z.object({ ...target, allowedOrigins }),
  ({ allowedOrigins }) => ({ type: 'ChangeClientAllowedOrigins', data: { allowedOrigins } }),
);

export const changeClientProperties = wish(
  z.object({ ...target, properties }),
  ({ properties }) => ({ type: 'ChangeClientProperties', data: { properties } }),
);

export const revokeClientSecret = wish(
  z.object({ ...target, secretId: name(100) }),
  ({ secretId }) => ({ type: 'RevokeClientSecret', data: { secretId } }),
);

export const disableClient = wish(z.object({ ...target, reason }), ({ reason }) => ({
  type: 'DisableClient',
  data: { reason },
}));

export const enableClient = wish(z.object(target), () => ({ type: 'EnableClient', data: {} }));

export const removeClient = wish(z.object(target), () => ({ type: 'RemoveClient', data: {} }));
