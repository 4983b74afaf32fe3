import 'reflect-metadata';
import { GraphQLError } from 'graphql';
import { Field, ObjectType, registerEnumType } from 'type-graphql';
import type { Issue } from '../commands/command.ts';
import { DomainError, type DomainErrorCode } from '../domain/errors.ts';

export const UserErrorCode = {
  ALREADY_EXISTS: 'ALREADY_EXISTS',
  CONFLICT: 'CONFLICT',
  IDEMPOTENCY_KEY_MISMATCH: 'IDEMPOTENCY_KEY_MISMATCH',
  INVALID: 'INVALID',
  NOT_FOUND: 'NOT_FOUND',
  REMOVED: 'REMOVED',
  STALE_VERSION: 'STALE_VERSION',
} as const;
export type UserErrorCode = keyof typeof UserErrorCode;

registerEnumType(UserErrorCode, {
  name: 'UserErrorCode',
  description: 'Why a wish was not granted.',
  valuesConfig: {
    ALREADY_EXISTS: { description: 'There is one by this name already.' },
    CONFLICT: { description: 'Too many others were changing the same entity. Try again.' },
    IDEMPOTENCY_KEY_MISMATCH: {
      description: 'The idempotency key was used before, for another mutation or other arguments.',
    },
    INVALID: { description: 'The field has a value that cannot be accepted.' },
    NOT_FOUND: { description: 'There is no such entity.' },
    REMOVED: { description: 'The entity has been removed, or the person erased.' },
    STALE_VERSION: {
      description: 'The entity has changed since the version in expectedVersion.',
    },
  },
});

@ObjectType({
  description: 'A reason for which a mutation changed nothing: for the person who asked for it.',
})
export class UserError {
  @Field(() => UserErrorCode, { description: 'The kind of reason, for programs.' })
  readonly code!: UserErrorCode;

  @Field(() => String, { description: 'The reason in a sentence, for people.' })
  readonly message!: string;

  @Field(() => String, {
    nullable: true,
    description: 'The part of the input that is to blame, such as permissions.grantTypes.0.',
  })
  readonly field!: string | null;
}

/** Refusals a caller can do something about. Others are faults, or the server being away. */
const codes: Partial<Record<DomainErrorCode, UserErrorCode>> = {
  already_exists: 'ALREADY_EXISTS',
  already_used: 'CONFLICT',
  conflict: 'CONFLICT',
  idempotency_key_mismatch: 'IDEMPOTENCY_KEY_MISMATCH',
  invalid: 'INVALID',
  not_found: 'NOT_FOUND',
  removed: 'REMOVED',
  stale_version: 'STALE_VERSION',
};

/** @throws the error itself when it is no refusal that a caller can do something about */
export function userErrors(error: unknown): UserError[] {
  const code = error instanceof DomainError ? codes[error.code] : undefined;
  if (!(error instanceof DomainError) || !code) throw error;
  const issues = (error.detail.issues as readonly Issue[] | undefined) ?? [
    { field: error.detail.field ?? null, message: error.message },
  ];
  return issues.map(({ field, message }) => ({ code, field: inputPath(field), message }));
}

/** A field as the input calls it: `claims.given_name` is `claims.givenName` there. */
function inputPath(field: string | null): string | null {
  return field ? field.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()) : null;
}

/** An argument of a query that cannot be accepted. */
export function badInput(message: string, field: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT', field } });
}

/** Text to search for. @throws GraphQLError BAD_USER_INPUT for what no row can hold */
export function searchable(text: string, field: string): string {
  if (text.length > 200) throw badInput('must not be longer than 200 characters', field);
  if (text.includes('\0')) throw badInput('must not contain control characters', field);
  return text;
}
