import { createPublicKey, createSecretKey } from 'node:crypto';
import type { Client, ResourceServer } from 'oidc-provider';
import { RESOURCE_SECRET } from '../../commands/api-resource-encryption.ts';
import type { ApiResourceEncryption } from '../../domain/api-resource.ts';
import { signingAlgorithmsFor } from '../../domain/client-profiles.ts';
import { encryptionKey } from '../../domain/encryption.ts';
import type { SigningAlgorithm } from '../../domain/signing-key.ts';
import type { Secrets } from '../../platform/secrets.ts';
import type { Catalogue } from '../../projections/catalogue.ts';
import { policyOf } from '../clients/clients.ts';
import { signedWith } from '../keys/jwks.ts';

type Jwt = NonNullable<ResourceServer['jwt']>;

/** How an access token is made. */
export interface TokenTerms {
  readonly accessTokenFormat: 'jwt' | 'opaque';
  /** Seconds. */
  readonly accessTokenTTL: number;
  readonly jwt: Jwt & ReturnType<typeof signedWith>;
}

/** How access tokens for one resource are made for one client (docs/adr/0013-several-audiences.md). */
export type TermsOf = (identifier: string, client: Client) => TokenTerms;

/**
 * The format and the signing algorithm are the resource's if it has any, for it is the one who reads
 * the token; else the client's, else the server's. Of two lifetimes the shorter one counts: each was
 * set as a limit.
 */
export function resourceTokens(
  { resources }: Catalogue,
  server: {
    readonly lifetime: number;
    readonly signingAlgorithms: readonly SigningAlgorithm[];
    readonly secrets: Secrets;
  },
): TermsOf {
  const recipients = new Map(
    [...resources.values()].map(({ identifier, encryption }) => [
      identifier,
      encryption && recipient(encryption, server.secrets),
    ]),
  );
  return (identifier, client) => {
    const wished = resources.get(identifier)?.token_policy;
    const { tokenPolicy, profile } = policyOf(client);
    const format = wished?.accessTokenFormat ?? tokenPolicy.accessTokenFormat;
    const lifetimes = [wished?.accessTokenLifetime, tokenPolicy.accessTokenLifetime];
    const limits = lifetimes.filter((each) => typeof each === 'number');
    const encrypt = recipients.get(identifier);
    return {
      accessTokenFormat: format === 'jwt' ? 'jwt' : 'opaque',
      accessTokenTTL: limits.length > 0 ? Math.min(...limits) : server.lifetime,
      jwt: {
        ...signedWith(
          signingAlgorithmsFor(profile, server.signingAlgorithms),
          wished?.accessTokenSigningAlg,
          tokenPolicy.accessTokenSigningAlg,
        ),
        ...(encrypt ? { encrypt } : {}),
      },
    };
  };
}

/** How one token is made for all of them; undefined where it cannot be the same for each. */
export function sharedTerms(each: readonly TokenTerms[]): TokenTerms | undefined {
  const [first] = each;
  if (each.length === 1) return first;
  const alike = each.every(
    ({ accessTokenFormat, jwt }) =>
      accessTokenFormat === first?.accessTokenFormat &&
      jwt.sign.alg === first.jwt.sign.alg &&
      !jwt.encrypt,
  );
  if (!first || !alike) return undefined;
  return { ...first, accessTokenTTL: Math.min(...each.map((one) => one.accessTokenTTL)) };
}

function recipient(
  { alg, enc, jwks, secret }: ApiResourceEncryption,
  secrets: Secrets,
): Jwt['encrypt'] {
  if (alg === 'dir') {
    const key = Buffer.from(secrets.open(RESOURCE_SECRET, secret ?? ''), 'base64url');
    return { alg, enc, key: createSecretKey(key) };
  }
  const jwk = encryptionKey(jwks, alg);
  if (!jwk) throw new Error('an API resource has no key for its encryption');
  const key = createPublicKey({ key: { ...jwk }, format: 'jwk' });
  return typeof jwk.kid === 'string' ? { alg, enc, key, kid: jwk.kid } : { alg, enc, key };
}
