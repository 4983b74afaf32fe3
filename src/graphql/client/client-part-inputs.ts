import { Field, InputType, Int } from 'type-graphql';
import { ENDPOINTS, GRANT_TYPES, RESPONSE_TYPES } from '../../commands/client-fields.ts';
import type * as domain from '../../domain/client.ts';
import type { SigningAlgorithm } from '../../domain/signing-key.ts';
import { JsonScalar } from '../scalars.ts';
import { CertificateSubjectType, RefreshTokenUsage, TokenFormat } from './client-enums.ts';

type Endpoint = (typeof ENDPOINTS)[number];
type GrantType = (typeof GRANT_TYPES)[number];
type ResponseType = (typeof RESPONSE_TYPES)[number];

@InputType({ description: 'What a client may do.' })
export class ClientPermissionsInput {
  @Field(() => [String], {
    nullable: true,
    description: `Endpoints it may come to: ${ENDPOINTS.join(', ')}; * for all, as when absent.`,
  })
  readonly endpoints?: Endpoint[] | null;

  @Field(() => [String], {
    description: `Values of grant_type: ${GRANT_TYPES.join(', ')}.`,
  })
  readonly grantTypes!: GrantType[];

  @Field(() => [String], { description: `Values of response_type: ${RESPONSE_TYPES.join(', ')}.` })
  readonly responseTypes!: ResponseType[];

  @Field(() => [String], { description: 'Names of scopes; * stands for every scope there is.' })
  readonly scopes!: string[];

  @Field(() => [String], {
    nullable: true,
    description: 'Types of authorization details it may ask for (RFC 9396); none when absent.',
  })
  readonly authorizationDetailTypes?: string[] | null;
}

@InputType({ description: 'How far a client may exchange tokens (RFC 8693).' })
export class ClientTokenExchangePolicyInput {
  @Field(() => Boolean, {
    nullable: true,
    description: 'Without an actor token; true when absent.',
  })
  readonly impersonation?: boolean | null;

  @Field(() => Boolean, { nullable: true, description: 'With an actor token; true when absent.' })
  readonly delegation?: boolean | null;

  @Field(() => [String], {
    nullable: true,
    description: 'The resources that the new token may be for; *, for all, when absent.',
  })
  readonly resources?: string[] | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Exchange a subject token once only; false when absent.',
  })
  readonly once?: boolean | null;
}

@InputType({ description: 'What a client must do.' })
export class ClientRequirementsInput {
  @Field(() => Boolean, {
    nullable: true,
    description: 'Use PKCE with S256 (RFC 7636); true when absent. Public clients must.',
  })
  readonly pkce?: boolean | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Push authorization requests first (RFC 9126); false when absent.',
  })
  readonly pushedAuthorizationRequests?: boolean | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Send authorization requests signed (RFC 9101); false when absent.',
  })
  readonly signedRequestObjects?: boolean | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Bind access tokens to a key of its own (RFC 9449); false when absent.',
  })
  readonly dpop?: boolean | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Have a nonce of the server in each proof (RFC 9449 §8); false when absent.',
  })
  readonly dpopNonce?: boolean | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Bind access tokens to a certificate of its own (RFC 8705); false when absent.',
  })
  readonly certificateBoundTokens?: boolean | null;
}

@InputType({ description: 'The name by which a client’s certificate is recognised.' })
export class CertificateSubjectInput {
  @Field(() => CertificateSubjectType, { description: 'Where in the certificate it stands.' })
  readonly type!: domain.CertificateSubject['type'];

  @Field(() => String, { description: 'The name; of a subject as in RFC 4514.' })
  readonly value!: string;
}

@InputType({ description: 'What a client shall be told of the end of a session.' })
export class ClientLogoutInput {
  @Field(() => String, {
    nullable: true,
    description: 'Where it takes logout tokens (OpenID Connect Back-Channel Logout).',
  })
  readonly backchannelUri?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'What to load in a frame (OpenID Connect Front-Channel Logout).',
  })
  readonly frontchannelUri?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether it needs the session id to be told; false when absent.',
  })
  readonly sessionRequired?: boolean | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Whether signing out takes offline access as well. As the server does by default when absent.',
  })
  readonly revokesOfflineAccess?: boolean | null;
}

@InputType({
  description: 'How a client’s tokens are made; null takes the server’s default.',
})
export class ClientTokenPolicyInput {
  @Field(() => TokenFormat, {
    nullable: true,
    description: 'Form of access tokens; REFERENCE when absent.',
  })
  readonly accessTokenFormat?: domain.TokenFormat | null;

  @Field(() => String, {
    nullable: true,
    description:
      'JWS algorithm of JWT access tokens, one of those the server keeps keys for; its default when absent.',
  })
  readonly accessTokenSigningAlg?: SigningAlgorithm | null;

  @Field(() => JsonScalar, {
    nullable: true,
    description:
      'What is told of it in each token that it gets for itself: text, or a list of texts, by claim.',
  })
  readonly claims?: Record<string, string | string[]> | null;

  @Field(() => String, {
    nullable: true,
    description: 'What is put before the names of these claims; client_ when absent.',
  })
  readonly claimsPrefix?: string | null;

  @Field(() => Int, { nullable: true, description: 'Lifetime of access tokens: 10 s to a day.' })
  readonly accessTokenLifetime?: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Lifetime of refresh tokens: 60 s to 400 days.',
  })
  readonly refreshTokenLifetime?: number | null;

  @Field(() => Int, { nullable: true, description: 'Lifetime of codes: 10 s to 600 s.' })
  readonly authorizationCodeLifetime?: number | null;

  @Field(() => Int, { nullable: true, description: 'Lifetime of ID tokens: 10 s to a day.' })
  readonly idTokenLifetime?: number | null;

  @Field(() => RefreshTokenUsage, {
    nullable: true,
    description: 'What becomes of a redeemed refresh token; ONE_TIME when absent.',
  })
  readonly refreshTokenUsage?: domain.ClientTokenPolicy['refreshTokenUsage'] | null;

  @Field(() => Int, {
    nullable: true,
    description:
      'Seconds after the first refresh token of a sign-in from which nothing is refreshed: 60 s to 4000 days.',
  })
  readonly refreshTokenAbsoluteLifetime?: number | null;
}
