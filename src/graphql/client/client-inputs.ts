import { Field, InputType, Int } from 'type-graphql';
import type * as domain from '../../domain/client.ts';
import { IdempotentInput, VersionedInput } from '../mutation.ts';
import { DateTimeScalar, JsonScalar } from '../scalars.ts';
import { ClientCibaInput } from './client-ciba.ts';
import {
  ApplicationType,
  ClientAuthenticationMethod,
  ClientProfile,
  ClientType,
  ConsentType,
  SubjectType,
} from './client-enums.ts';
import {
  CertificateSubjectInput,
  ClientLogoutInput,
  ClientPermissionsInput,
  ClientRequirementsInput,
  ClientTokenExchangePolicyInput,
  ClientTokenPolicyInput,
} from './client-part-inputs.ts';
import { ClientResponseProtectionInput } from './client-responses.ts';

/** Public keys as they arrive; the command looks at each. */
type Jwks = { keys: Record<string, unknown>[] };

@InputType({
  description: 'A client to register. What is left out takes the safest value that works.',
})
export class ClientRegisterInput extends IdempotentInput {
  @Field(() => String, {
    nullable: true,
    description: 'Its client_id: 1 to 100 of A-Z a-z 0-9 . _ ~ -. A random one when absent.',
  })
  readonly clientId?: string | null;

  @Field(() => String, { description: 'What people see it called.' })
  readonly displayName!: string;

  @Field(() => String, { nullable: true, description: 'What it is for, in words for people.' })
  readonly description?: string | null;

  @Field(() => ClientType, { description: 'Whether it can keep a secret.' })
  readonly clientType!: domain.ClientType;

  @Field(() => ApplicationType, { nullable: true, description: 'Where it runs; WEB when absent.' })
  readonly applicationType?: domain.ApplicationType | null;

  @Field(() => ClientAuthenticationMethod, {
    nullable: true,
    description:
      'How it proves who it is. When absent: NONE for a public client, TLS_CLIENT_AUTH with certificateSubject, PRIVATE_KEY_JWT with jwks, else CLIENT_SECRET_BASIC.',
  })
  readonly authenticationMethod?: domain.ClientAuthenticationMethod | null;

  @Field(() => CertificateSubjectInput, {
    nullable: true,
    description: 'The name by which its certificate is recognised, for TLS_CLIENT_AUTH.',
  })
  readonly certificateSubject?: CertificateSubjectInput | null;

  @Field(() => ClientProfile, {
    nullable: true,
    description: 'Which rules it keeps to; NONE when absent. What else is absent follows them.',
  })
  readonly profile?: domain.ClientProfile | null;

  @Field(() => ConsentType, { nullable: true, description: 'Who agrees; EXPLICIT when absent.' })
  readonly consentType?: domain.ConsentType | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Seconds after which people are asked anew: 60 s to 4000 days; never when absent.',
  })
  readonly consentLifetime?: number | null;

  @Field(() => [String], {
    nullable: true,
    description:
      'Where people may be sent back to: https, http on this machine, or for native applications a scheme with a dot. No wildcards.',
  })
  readonly redirectUris?: string[] | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Where people may be sent after signing out; the same rules.',
  })
  readonly postLogoutRedirectUris?: string[] | null;

  @Field(() => ClientPermissionsInput, {
    nullable: true,
    description:
      'What it may do. When absent: authorization_code and openid if there are redirect URIs, else client_credentials.',
  })
  readonly permissions?: ClientPermissionsInput | null;

  @Field(() => ClientRequirementsInput, { nullable: true, description: 'PKCE when absent.' })
  readonly requirements?: ClientRequirementsInput | null;

  @Field(() => ClientTokenPolicyInput, {
    nullable: true,
    description: 'How its tokens are made; the server’s defaults when absent.',
  })
  readonly tokenPolicy?: ClientTokenPolicyInput | null;

  @Field(() => ClientTokenExchangePolicyInput, {
    nullable: true,
    description: 'How far it may exchange tokens, if it is permitted to; no limits when absent.',
  })
  readonly tokenExchange?: ClientTokenExchangePolicyInput | null;

  @Field(() => ClientResponseProtectionInput, {
    nullable: true,
    description: 'How what it is told is signed and encrypted; the server’s defaults when absent.',
  })
  readonly responseProtection?: ClientResponseProtectionInput | null;

  @Field(() => JsonScalar, {
    nullable: true,
    description:
      'Its public keys as a JWK Set (RFC 7517): what it signs, and what is encrypted to it.',
  })
  readonly jwks?: Jwks | null;

  @Field(() => String, {
    nullable: true,
    description: 'Where it publishes its public keys itself; not together with jwks.',
  })
  readonly jwksUri?: string | null;

  @Field(() => SubjectType, {
    nullable: true,
    description: 'By which subject it knows people; PUBLIC when absent.',
  })
  readonly subjectType?: domain.SubjectType | null;

  @Field(() => ClientLogoutInput, {
    nullable: true,
    description: 'What it is told of the end of a session; nothing when absent.',
  })
  readonly logout?: ClientLogoutInput | null;

  @Field(() => ClientCibaInput, {
    nullable: true,
    description: 'How it asks for people who are elsewhere; by polling when absent.',
  })
  readonly ciba?: ClientCibaInput | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Origins whose scripts may call the endpoints (CORS).',
  })
  readonly allowedOrigins?: string[] | null;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'Whatever is to be kept with it: text by name, at most 50.',
  })
  readonly properties?: Record<string, string> | null;

  @Field(() => String, { nullable: true, description: 'Its home page.' })
  readonly clientUri?: string | null;

  @Field(() => String, { nullable: true, description: 'Its picture.' })
  readonly logoUri?: string | null;

  @Field(() => String, { nullable: true, description: 'Its privacy policy.' })
  readonly policyUri?: string | null;

  @Field(() => String, { nullable: true, description: 'Its terms of service.' })
  readonly tosUri?: string | null;
}

@InputType()
export abstract class ClientInput extends VersionedInput {
  @Field(() => String, { description: 'The client’s client_id.' })
  readonly clientId!: string;
}

@InputType({ description: 'What people shall see of a client; it replaces all of what they see.' })
export class ClientPresentationChangeInput extends ClientInput {
  @Field(() => String, { description: 'What people see it called.' })
  readonly displayName!: string;

  @Field(() => String, { nullable: true, description: 'What it is for, in words for people.' })
  readonly description?: string | null;

  @Field(() => String, { nullable: true, description: 'Its home page.' })
  readonly clientUri?: string | null;

  @Field(() => String, { nullable: true, description: 'Its picture.' })
  readonly logoUri?: string | null;

  @Field(() => String, { nullable: true, description: 'Its privacy policy.' })
  readonly policyUri?: string | null;

  @Field(() => String, { nullable: true, description: 'Its terms of service.' })
  readonly tosUri?: string | null;
}

@InputType({ description: 'New redirect URIs of a client.' })
export class ClientRedirectUrisChangeInput extends ClientInput {
  @Field(() => [String], { description: 'All of them: those not named end.' })
  readonly redirectUris!: string[];
}

@InputType({ description: 'New post-logout redirect URIs of a client.' })
export class ClientPostLogoutRedirectUrisChangeInput extends ClientInput {
  @Field(() => [String], { description: 'All of them: those not named end.' })
  readonly postLogoutRedirectUris!: string[];
}

@InputType({ description: 'New permissions of a client.' })
export class ClientPermissionsChangeInput extends ClientInput {
  @Field(() => ClientPermissionsInput, { description: 'All it may do from now on.' })
  readonly permissions!: ClientPermissionsInput;
}

@InputType({ description: 'New requirements of a client.' })
export class ClientRequirementsChangeInput extends ClientInput {
  @Field(() => ClientRequirementsInput, { description: 'All it must do from now on.' })
  readonly requirements!: ClientRequirementsInput;
}

@InputType({ description: 'A new consent type of a client.' })
export class ClientConsentTypeChangeInput extends ClientInput {
  @Field(() => ConsentType, { description: 'Who agrees from now on.' })
  readonly consentType!: domain.ConsentType;
}

@InputType({ description: 'How long what people agree to shall count.' })
export class ClientConsentLifetimeChangeInput extends ClientInput {
  @Field(() => Int, {
    nullable: true,
    description: 'Seconds after which they are asked anew: 60 s to 4000 days; null for never.',
  })
  readonly consentLifetime?: number | null;
}

@InputType({ description: 'New limits on the tokens that a client exchanges.' })
export class ClientTokenExchangePolicyChangeInput extends ClientInput {
  @Field(() => ClientTokenExchangePolicyInput, {
    description: 'How far it may exchange tokens from now on.',
  })
  readonly tokenExchange!: ClientTokenExchangePolicyInput;
}

@InputType({ description: 'A new token policy of a client.' })
export class ClientTokenPolicyChangeInput extends ClientInput {
  @Field(() => ClientTokenPolicyInput, { description: 'How its tokens are made from now on.' })
  readonly tokenPolicy!: ClientTokenPolicyInput;
}

@InputType({ description: 'A new protection of what a client is told.' })
export class ClientResponseProtectionChangeInput extends ClientInput {
  @Field(() => ClientResponseProtectionInput, { description: 'All of it.' })
  readonly responseProtection!: ClientResponseProtectionInput;
}

@InputType({ description: 'A new authentication method of a client.' })
export class ClientAuthenticationMethodChangeInput extends ClientInput {
  @Field(() => ClientAuthenticationMethod, {
    description: 'How it proves who it is from now on.',
  })
  readonly authenticationMethod!: domain.ClientAuthenticationMethod;
}

@InputType({ description: 'A new name by which a client’s certificate is recognised.' })
export class ClientCertificateSubjectChangeInput extends ClientInput {
  @Field(() => CertificateSubjectInput, {
    nullable: true,
    description: 'What it is recognised by from now on; null for nothing.',
  })
  readonly certificateSubject?: CertificateSubjectInput | null;
}

@InputType({ description: 'A new profile of a client.' })
export class ClientProfileChangeInput extends ClientInput {
  @Field(() => ClientProfile, { description: 'Which rules it keeps to from now on.' })
  readonly profile!: domain.ClientProfile;
}

@InputType({ description: 'New public keys of a client.' })
export class ClientKeysChangeInput extends ClientInput {
  @Field(() => JsonScalar, {
    nullable: true,
    description: 'All of them as a JWK Set (RFC 7517); null for none.',
  })
  readonly jwks?: Jwks | null;

  @Field(() => String, {
    nullable: true,
    description: 'Where it publishes them itself; not together with jwks.',
  })
  readonly jwksUri?: string | null;
}

@InputType({ description: 'A new subject type of a client.' })
export class ClientSubjectTypeChangeInput extends ClientInput {
  @Field(() => SubjectType, { description: 'By which subject it knows people from now on.' })
  readonly subjectType!: domain.SubjectType;
}

@InputType({ description: 'What a client shall be told from now on of the end of a session.' })
export class ClientLogoutChangeInput extends ClientInput {
  @Field(() => ClientLogoutInput, { description: 'All of it.' })
  readonly logout!: ClientLogoutInput;
}

@InputType({ description: 'How a client shall ask from now on for people who are elsewhere.' })
export class ClientCibaChangeInput extends ClientInput {
  @Field(() => ClientCibaInput, { description: 'All of it.' })
  readonly ciba!: ClientCibaInput;
}

@InputType({ description: 'New origins of a client.' })
export class ClientAllowedOriginsChangeInput extends ClientInput {
  @Field(() => [String], { description: 'All of them: those not named end.' })
  readonly allowedOrigins!: string[];
}

@InputType({ description: 'New properties of a client.' })
export class ClientPropertiesChangeInput extends ClientInput {
  @Field(() => JsonScalar, { description: 'All of them, text by name: those not named end.' })
  readonly properties!: Record<string, string>;
}

@InputType({ description: 'A further secret for a client; its value is random.' })
export class ClientSecretAddInput extends ClientInput {
  @Field(() => String, { nullable: true, description: 'What it is for.' })
  readonly description?: string | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'Until when it can be used; null for no end.',
  })
  readonly expiresAt?: string | null;
}

@InputType({ description: 'A secret of a client that shall end.' })
export class ClientSecretRevokeInput extends ClientInput {
  @Field(() => String, { description: 'Which one.' })
  readonly secretId!: string;
}

@InputType({ description: 'A client that shall be refused wherever it comes.' })
export class ClientDisableInput extends ClientInput {
  @Field(() => String, { nullable: true, description: 'Why, for the history.' })
  readonly reason?: string | null;
}

@InputType({ description: 'A disabled client that shall be let in again.' })
export class ClientEnableInput extends ClientInput {}

@InputType({ description: 'A client that shall be removed for ever; its id cannot be used again.' })
export class ClientRemoveInput extends ClientInput {}
