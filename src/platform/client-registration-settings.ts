import { z } from 'zod';
import { commaSeparated, setting, wholeNumber } from './setting.ts';

const SCOPE = /^(?!admin:)(?!\*$)[\x21\x23-\x5b\x5d-\x7e]{1,128}$/;

/** Which clients may come that no administrator has registered. */
export const clientRegistrationSettings = {
  clientRegistration: setting({
    variable: 'CLIENT_REGISTRATION',
    default: 'off',
    description:
      'Who may register clients at the protocol’s endpoint (RFC 7591): nobody (`off`), whoever was given an initial access token (`token`), or anybody (`open`).',
    schema: z.enum(['off', 'token', 'open'], 'must be off, token or open'),
  }),
  clientRegistrationScopes: setting({
    variable: 'CLIENT_REGISTRATION_SCOPES',
    default: 'openid profile email offline_access',
    description:
      'Scopes that clients may ask for which were registered without an initial access token. Never those of the Admin API.',
    schema: z
      .string()
      .transform((value) => value.split(/[\s,]+/).filter(Boolean))
      .refine(
        (scopes) => scopes.every((scope) => SCOPE.test(scope)),
        'must be scopes, none of them * or of the Admin API',
      ),
  }),
  clientMetadataHosts: setting({
    variable: 'CLIENT_METADATA_HOSTS',
    default: null,
    description:
      'Hosts of the documents by which clients are known whose id is an address (Client ID Metadata Documents), separated by commas: `tool.example`, `*.example.com` for all below, `*` for all there are. By default no such client is known.',
    schema: commaSeparated(
      /^(\*|(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?)$/,
      'must be hosts, such as tool.example or *.example.com, separated by commas',
    ),
  }),
  unusedClientDays: setting({
    variable: 'UNUSED_CLIENT_DAYS',
    default: '90',
    description: 'Days without a token after which a client that registered itself is removed.',
    schema: wholeNumber(1, 3_650),
  }),
};
