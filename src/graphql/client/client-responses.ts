import { Field, InputType, ObjectType } from 'type-graphql';
import {
  ENCRYPTION_ALGORITHMS,
  ENCRYPTION_METHODS,
  type EncryptionAlgorithm,
  type EncryptionMethod,
} from '../../domain/encryption.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '../../domain/signing-key.ts';

@ObjectType({ description: 'How one kind of answer to a client is protected.' })
export class Protection {
  @Field(() => String, {
    nullable: true,
    description:
      'JWS algorithm; null takes the server’s default. Userinfo is then plain JSON, unless it is encrypted.',
  })
  readonly signingAlg!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'JWE algorithm; null for not encrypted.',
  })
  readonly encryptionAlg!: string | null;

  @Field(() => String, { description: 'How the content is encrypted, if it is.' })
  readonly encryptionEnc!: string;
}

@ObjectType({
  description:
    'How what a client is told is signed, and encrypted to a key of its own (RFC 7591 §2).',
})
export class ClientResponseProtection {
  @Field(() => Protection, { description: 'ID tokens.' })
  readonly idToken!: Protection;

  @Field(() => Protection, { description: 'Answers of the userinfo endpoint.' })
  readonly userinfo!: Protection;

  @Field(() => Protection, { description: 'Introspection answered with a JWT (RFC 9701).' })
  readonly introspection!: Protection;

  @Field(() => Protection, { description: 'Authorization responses that are JWTs (JARM).' })
  readonly authorization!: Protection;
}

@InputType({ description: 'How one kind of answer to a client shall be protected.' })
export class ProtectionInput {
  @Field(() => String, {
    nullable: true,
    description: `JWS algorithm, one of those the server keeps keys for: ${SIGNING_ALGORITHMS.join(', ')}. The server’s default when absent; userinfo is then plain JSON, unless it is encrypted.`,
  })
  readonly signingAlg?: SigningAlgorithm | null;

  @Field(() => String, {
    nullable: true,
    description: `JWE algorithm: ${ENCRYPTION_ALGORITHMS.join(', ')}. The client needs a public key for it. Not encrypted when absent.`,
  })
  readonly encryptionAlg?: EncryptionAlgorithm | null;

  @Field(() => String, {
    nullable: true,
    description: `How the content is encrypted: ${ENCRYPTION_METHODS.join(', ')}. The first when absent.`,
  })
  readonly encryptionEnc?: EncryptionMethod | null;
}

@InputType({
  description:
    'How what a client is told shall be signed and encrypted; what is absent is default.',
})
export class ClientResponseProtectionInput {
  @Field(() => ProtectionInput, { nullable: true, description: 'ID tokens.' })
  readonly idToken?: ProtectionInput | null;

  @Field(() => ProtectionInput, {
    nullable: true,
    description: 'Answers of the userinfo endpoint.',
  })
  readonly userinfo?: ProtectionInput | null;

  @Field(() => ProtectionInput, {
    nullable: true,
    description: 'Introspection answered with a JWT (RFC 9701).',
  })
  readonly introspection?: ProtectionInput | null;

  @Field(() => ProtectionInput, {
    nullable: true,
    description: 'Authorization responses that are JWTs (JARM).',
  })
  readonly authorization?: ProtectionInput | null;
}
