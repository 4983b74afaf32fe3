import { Field, InputType, ObjectType } from 'type-graphql';
import type { UserClaims as Claims } from '../commands/users.ts';

@ObjectType({ description: 'A postal address (OpenID Connect Core §5.1.1).' })
export class UserAddress {
  @Field(() => String, { nullable: true, description: 'The whole address, as on a letter.' })
  readonly formatted?: string;

  @Field(() => String, { name: 'streetAddress', nullable: true, description: 'Street, number.' })
  readonly street_address?: string;

  @Field(() => String, { nullable: true, description: 'City.' })
  readonly locality?: string;

  @Field(() => String, { nullable: true, description: 'State, province or region.' })
  readonly region?: string;

  @Field(() => String, { name: 'postalCode', nullable: true, description: 'Postal code.' })
  readonly postal_code?: string;

  @Field(() => String, { nullable: true, description: 'Country.' })
  readonly country?: string;
}

@ObjectType({ description: 'What is known of a person (OpenID Connect Core §5.1).' })
export class UserClaims {
  @Field(() => String, { nullable: true, description: 'Full name.' })
  readonly name?: string;

  @Field(() => String, { name: 'givenName', nullable: true, description: 'Given names.' })
  readonly given_name?: string;

  @Field(() => String, { name: 'familyName', nullable: true, description: 'Family names.' })
  readonly family_name?: string;

  @Field(() => String, { name: 'middleName', nullable: true, description: 'Middle names.' })
  readonly middle_name?: string;

  @Field(() => String, { nullable: true, description: 'Casual name.' })
  readonly nickname?: string;

  @Field(() => String, { nullable: true, description: 'Address of a page about them.' })
  readonly profile?: string;

  @Field(() => String, { nullable: true, description: 'Address of a picture of them.' })
  readonly picture?: string;

  @Field(() => String, { nullable: true, description: 'Address of their own page.' })
  readonly website?: string;

  @Field(() => String, { nullable: true, description: 'E-mail address.' })
  readonly email?: string;

  @Field(() => Boolean, {
    name: 'emailVerified',
    nullable: true,
    description: 'Whether the e-mail address is known to be theirs.',
  })
  readonly email_verified?: boolean;

  @Field(() => String, { nullable: true, description: 'Gender.' })
  readonly gender?: string;

  @Field(() => String, { nullable: true, description: 'Birthday, YYYY-MM-DD or YYYY.' })
  readonly birthdate?: string;

  @Field(() => String, { nullable: true, description: 'Time zone, such as Europe/Vienna.' })
  readonly zoneinfo?: string;

  @Field(() => String, { nullable: true, description: 'Language (BCP 47).' })
  readonly locale?: string;

  @Field(() => String, {
    name: 'phoneNumber',
    nullable: true,
    description: 'Telephone number with country code.',
  })
  readonly phone_number?: string;

  @Field(() => Boolean, {
    name: 'phoneNumberVerified',
    nullable: true,
    description: 'Whether the telephone number is known to be theirs.',
  })
  readonly phone_number_verified?: boolean;

  @Field(() => UserAddress, { nullable: true, description: 'Postal address.' })
  readonly address?: UserAddress;
}

@InputType({ description: 'A postal address (OpenID Connect Core §5.1.1).' })
export class UserAddressInput {
  @Field(() => String, { nullable: true, description: 'The whole address, as on a letter.' })
  readonly formatted?: string | null;

  @Field(() => String, { nullable: true, description: 'Street, number.' })
  readonly streetAddress?: string | null;

  @Field(() => String, { nullable: true, description: 'City.' })
  readonly locality?: string | null;

  @Field(() => String, { nullable: true, description: 'State, province or region.' })
  readonly region?: string | null;

  @Field(() => String, { nullable: true, description: 'Postal code.' })
  readonly postalCode?: string | null;

  @Field(() => String, { nullable: true, description: 'Country.' })
  readonly country?: string | null;
}

@InputType({
  description: 'What is known of a person (OpenID Connect Core §5.1); null for what is not.',
})
export class UserClaimsInput {
  @Field(() => String, { nullable: true, description: 'Full name.' })
  readonly name?: string | null;

  @Field(() => String, { nullable: true, description: 'Given names.' })
  readonly givenName?: string | null;

  @Field(() => String, { nullable: true, description: 'Family names.' })
  readonly familyName?: string | null;

  @Field(() => String, { nullable: true, description: 'Middle names.' })
  readonly middleName?: string | null;

  @Field(() => String, { nullable: true, description: 'Casual name.' })
  readonly nickname?: string | null;

  @Field(() => String, { nullable: true, description: 'Address of a page about them.' })
  readonly profile?: string | null;

  @Field(() => String, { nullable: true, description: 'Address of a picture of them.' })
  readonly picture?: string | null;

  @Field(() => String, { nullable: true, description: 'Address of their own page.' })
  readonly website?: string | null;

  @Field(() => String, { nullable: true, description: 'E-mail address.' })
  readonly email?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether the e-mail address is known to be theirs.',
  })
  readonly emailVerified?: boolean | null;

  @Field(() => String, { nullable: true, description: 'Gender.' })
  readonly gender?: string | null;

  @Field(() => String, { nullable: true, description: 'Birthday, YYYY-MM-DD or YYYY.' })
  readonly birthdate?: string | null;

  @Field(() => String, { nullable: true, description: 'Time zone, such as Europe/Vienna.' })
  readonly zoneinfo?: string | null;

  @Field(() => String, { nullable: true, description: 'Language (BCP 47).' })
  readonly locale?: string | null;

  @Field(() => String, { nullable: true, description: 'Telephone number with country code.' })
  readonly phoneNumber?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether the telephone number is known to be theirs.',
  })
  readonly phoneNumberVerified?: boolean | null;

  @Field(() => UserAddressInput, { nullable: true, description: 'Postal address.' })
  readonly address?: UserAddressInput | null;
}

/** Claims by their names in OpenID Connect: `givenName` becomes `given_name`; null is left out. */
export function claimsOf(input: UserClaimsInput | null | undefined): Claims {
  return snakeCased(input ?? {});
}

function snakeCased(fields: object): object {
  const known = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(
    known.map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      typeof value === 'object' ? snakeCased(value) : value,
    ]),
  );
}
