import { Field, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '../../commands/client-ciba.ts';
import type * as domain from '../../domain/client-ciba.ts';

export const BackchannelDeliveryMode = {
  POLL: 'poll',
  PING: 'ping',
} as const satisfies Record<string, domain.ClientCiba['deliveryMode']>;

registerEnumType(BackchannelDeliveryMode, {
  name: 'BackchannelDeliveryMode',
  description: 'How a client learns that a person has decided (OpenID Connect CIBA §5).',
  valuesConfig: {
    POLL: { description: 'It asks again and again.' },
    PING: { description: 'It is told when to ask.' },
  },
});

@ObjectType({
  description: 'How a client asks for people who are elsewhere (OpenID Connect CIBA §4).',
})
export class ClientCiba {
  @Field(() => BackchannelDeliveryMode, {
    description: 'How it learns that a person has decided.',
  })
  readonly deliveryMode!: string;

  @Field(() => String, { nullable: true, description: 'Where it is told.' })
  readonly notificationEndpoint!: string | null;

  @Field(() => Boolean, { description: 'Whether it takes user codes from people.' })
  readonly userCodeParameter!: boolean;

  @Field(() => String, {
    nullable: true,
    description: 'JWS algorithm with which its requests are signed; null: they need not be.',
  })
  readonly requestSigningAlg!: string | null;
}

@InputType({ description: 'How a client shall ask for people who are elsewhere.' })
export class ClientCibaInput {
  @Field(() => BackchannelDeliveryMode, {
    nullable: true,
    description: 'How it learns that a person has decided; POLL when absent.',
  })
  readonly deliveryMode?: domain.ClientCiba['deliveryMode'] | null;

  @Field(() => String, { nullable: true, description: 'Where it is told: PING needs it.' })
  readonly notificationEndpoint?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether it takes user codes from people; false when absent.',
  })
  readonly userCodeParameter?: boolean | null;

  @Field(() => String, {
    nullable: true,
    description: `JWS algorithm with which its requests have to be signed: ${SIGNING_ALGORITHMS.join(', ')}. They need not be when absent.`,
  })
  readonly requestSigningAlg?: SigningAlgorithm | null;
}
