import { Field, Int, ObjectType } from 'type-graphql';
import { DateTimeScalar, JsonScalar } from '../scalars.ts';
import { CertificateSubjectType, RefreshTokenUsage, TokenFormat } from './client-enums.ts';

@ObjectType({ description: 'What a client may do.' })
export class ClientPermissions {
  @Field(() => [String], {
    description: 'Endpoints it may come to; * stands for every endpoint there is.',
  })
  readonly endpoints!: string[];

  @Field(() => [String], { description: 'Values of grant_type it may use.' })
  readonly grantTypes!: string[];

  @Field(() => [String], { description: 'Values of response_type it may use.' })
  readonly responseTypes!: string[];

  @Field(() => [String], {
    description: 'Names of the scopes it may ask for; * stands for every scope there is.',
  })
  readonly scopes!: string[];

  @Field(() => [String], {
    description: 'Types of authorization details it may ask for (RFC 9396).',
  })
  readonly authorizationDetailTypes!: string[];
}

@ObjectType({ description: 'What a client must do.' })
export class ClientRequirements {
  @Field(() => Boolean, { description: 'Use PKCE with S256 (RFC 7636).' })
  readonly pkce!: boolean;

  @Field(() => Boolean, { description: 'Push authorization requests first (RFC 9126).' })
  readonly pushedAuthorizationRequests!: boolean;

  @Field(() => Boolean, { description: 'Send authorization requests signed (RFC 9101).' })
  readonly signedRequestObjects!: boolean;

  @Field(() => Boolean, { description: 'Bind access tokens to a key of its own (RFC 9449).' })
  readonly dpop!: boolean;

  @Field(() => Boolean, { description: 'Have a nonce of the server in each proof (RFC 9449 §8).' })
  readonly dpopNonce!: boolean;

  @Field(() => Boolean, {
    description: 'Bind access tokens to a certificate of its own (RFC 8705).',
  })
  readonly certificateBoundTokens!: boolean;
}

@ObjectType({ description: 'The name by which a client’s certificate is recognised.' })
export class CertificateSubject {
  @Field(() => CertificateSubjectType, { description: 'Where in the certificate it stands.' })
  readonly type!: string;

  @Field(() => String, { description: 'The name.' })
  readonly value!: string;
}

@ObjectType({ description: 'What a client is told of the end of a session.' })
export class ClientLogout {
  @Field(() => String, {
    nullable: true,
    description: 'Where it takes logout tokens (OpenID Connect Back-Channel Logout).',
  })
  readonly backchannelUri!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'What is loaded in a frame (OpenID Connect Front-Channel Logout).',
  })
  readonly frontchannelUri!: string | null;

  @Field(() => Boolean, { description: 'Whether it needs the session id to be told.' })
  readonly sessionRequired!: boolean;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Whether signing out takes offline access as well; null: as the server does by default.',
  })
  readonly revokesOfflineAccess?: boolean | null;
}

@ObjectType({ description: 'How a client’s tokens are made; null takes the server’s default.' })
export class ClientTokenPolicy {
  @Field(() => TokenFormat, { description: 'Form of its access tokens.' })
  readonly accessTokenFormat!: string;

  @Field(() => String, {
    nullable: true,
    description: 'JWS algorithm of its JWT access tokens.',
  })
  readonly accessTokenSigningAlg!: string | null;

  @Field(() => JsonScalar, {
    description: 'What is told of it in each token that it gets for itself.',
  })
  readonly claims!: unknown;

  @Field(() => String, { description: 'What is put before the names of these claims.' })
  readonly claimsPrefix!: string;

  @Field(() => Int, { nullable: true, description: 'Lifetime of access tokens in seconds.' })
  readonly accessTokenLifetime!: number | null;

  @Field(() => Int, { nullable: true, description: 'Lifetime of refresh tokens in seconds.' })
  readonly refreshTokenLifetime!: number | null;

  @Field(() => Int, { nullable: true, description: 'Lifetime of authorization codes in seconds.' })
  readonly authorizationCodeLifetime!: number | null;

  @Field(() => Int, { nullable: true, description: 'Lifetime of ID tokens in seconds.' })
  readonly idTokenLifetime!: number | null;

  @Field(() => RefreshTokenUsage, { description: 'What becomes of a redeemed refresh token.' })
  readonly refreshTokenUsage!: string;

  @Field(() => Int, {
    nullable: true,
    description:
      'Seconds after the first refresh token of a sign-in from which nothing is refreshed; null for no such end.',
  })
  readonly refreshTokenAbsoluteLifetime!: number | null;
}

@ObjectType({ description: 'How far a client may exchange tokens (RFC 8693).' })
export class ClientTokenExchangePolicy {
  @Field(() => Boolean, { description: 'Without an actor token: nobody is said to act.' })
  readonly impersonation!: boolean;

  @Field(() => Boolean, { description: 'With an actor token: the new token says who acts.' })
  readonly delegation!: boolean;

  @Field(() => [String], {
    description: 'The resources that the new token may be for; * stands for all.',
  })
  readonly resources!: string[];

  @Field(() => Boolean, { description: 'Whether it exchanges a subject token once only.' })
  readonly once!: boolean;
}

@ObjectType({ description: 'A secret of a client. Its value was shown once, when it was made.' })
export class ClientSecret {
  @Field(() => String, { name: 'secretId', description: 'Tells it from the client’s others.' })
  readonly secret_id!: string;

  @Field(() => String, { description: 'What it is for.' })
  readonly description!: string;

  @Field(() => DateTimeScalar, { name: 'addedAt', description: 'Since when it can be used.' })
  readonly added_at!: string;

  @Field(() => DateTimeScalar, {
    name: 'expiresAt',
    nullable: true,
    description: 'Until when it can be used; null for no end.',
  })
  readonly expires_at!: string | null;
}

@ObjectType({ description: 'What people see of a client in one language.' })
export class ClientLocalization {
  @Field(() => String, { description: 'The language (BCP 47).' })
  readonly locale!: string;

  @Field(() => String, {
    name: 'displayName',
    nullable: true,
    description: 'What it is called there; null for the same as elsewhere, as in all fields.',
  })
  readonly display_name!: string | null;

  @Field(() => String, { nullable: true, description: 'What it is for, in that language.' })
  readonly description!: string | null;

  @Field(() => String, { name: 'clientUri', nullable: true, description: 'Its home page.' })
  readonly client_uri!: string | null;

  @Field(() => String, { name: 'logoUri', nullable: true, description: 'Its picture.' })
  readonly logo_uri!: string | null;

  @Field(() => String, { name: 'policyUri', nullable: true, description: 'Its privacy policy.' })
  readonly policy_uri!: string | null;

  @Field(() => String, { name: 'tosUri', nullable: true, description: 'Its terms of service.' })
  readonly tos_uri!: string | null;
}
