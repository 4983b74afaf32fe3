import { z } from 'zod';
import { fold, streamOf, type Wish } from '../domain/decider.ts';
import { DomainError } from '../domain/errors.ts';
import type { Digest, Sealed } from '../domain/ids.ts';
import type { UserRegistration, UserWishes } from '../domain/user.ts';
import { user } from '../domain/user.ts';
import { username as usernames } from '../domain/username.ts';
import { act } from '../eventstore/execute.ts';
import { upcast } from '../eventstore/upcast.ts';
import { hashPassword, passwordProblem } from '../platform/passwords.ts';
import { randomToken, type Secrets } from '../platform/secrets.ts';
import { type Command, type CommandContext, carryOut, expectedVersion, parse } from './command.ts';
import { line, list, name, optional, orNull, prose, reason, webUri } from './fields.ts';

const username = name(128);
/** Length and strength are for passwordProblem to judge; this only keeps out what cannot be hashed. */
const password = z.string().max(1_024, 'must not be longer than 1024 characters');
export const roles = list(
  z
    .string()
    .regex(/^[a-z][a-z0-9_.:-]{0,63}$/, 'must be a lower-case word of at most 64 characters'),
);

const claim = line(200);

/** What is known of a person, by the names of OpenID Connect Core §5.1; what is absent is not known. */
const claims = z
  .object({
    name: claim,
    given_name: claim,
    family_name: claim,
    middle_name: claim,
    nickname: claim,
    profile: webUri,
    picture: webUri,
    website: webUri,
    email: z.email('must be an e-mail address').max(254),
    email_verified: z.boolean(),
    gender: claim,
    birthdate: z
      .string()
      .regex(/^(\d{4}|\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))$/, 'must be a date or a year'),
    zoneinfo: z.string().refine(isTimeZone, 'must be a time zone, such as Europe/Vienna'),
    locale: z.string().refine(isLanguage, 'must be a language tag (BCP 47)'),
    phone_number: z.string().regex(/^\+[0-9 ()./-]{3,30}$/, 'must be an international number'),
    phone_number_verified: z.boolean(),
    address: z
      .object({
        formatted: prose(500),
        street_address: prose(),
        locality: claim,
        region: claim,
        postal_code: line(40),
        country: claim,
      })
      .partial(),
  })
  .partial();

export type UserClaims = z.input<typeof claims>;

/** A person's claims as they are sealed; the name they sign in with is always among them. */
export type SealedClaims = z.output<typeof claims> & { readonly preferred_username: string };

/** Two spellings of one user name are one: NFKC, lower case, no space around. */
export function normalisedUsername(username: string): string {
  return username.normalize('NFKC').toLowerCase().trim();
}

/** What stands for a user name in streams and rows. */
export function usernameDigest(secrets: Secrets, username: string): Digest {
  return secrets.keyedDigest('username', normalisedUsername(username));
}

const registrationInput = z.object({
  username,
  /** Absent: the person cannot sign in with a password yet. */
  password: orNull(password),
  claims: optional(claims, {}),
  roles: optional(roles, []),
});

type Sealing = Pick<CommandContext, 'subjectKeys'>;
type CheckedUser = z.output<typeof registrationInput>;

/** @throws DomainError `invalid`, also for a weak password */
export async function checkedUser(raw: z.input<typeof registrationInput>): Promise<CheckedUser> {
  const input = parse(registrationInput, raw);
  if (input.password !== null) await assertStrong(input.password, knownOf(input));
  return input;
}

function knownOf({ username, claims }: CheckedUser): SealedClaims {
  return { preferred_username: username, ...claims };
}

/** What has to be wished so that there is such a person, beside the claim on the user name. */
export async function newUser(
  context: Sealing & Pick<CommandContext, 'secrets'>,
  input: CheckedUser,
): Promise<{ sub: string; digest: Digest; wishes: Wish<UserWishes>[] }> {
  const sub = `usr_${randomToken(16)}`;
  const digest = usernameDigest(context.secrets, input.username);
  const registration: UserRegistration = {
    sub,
    usernameDigest: digest,
    personal: await sealClaims(context, sub, knownOf(input)),
    roles: input.roles,
  };
  const wishes: Wish<UserWishes>[] = [{ type: 'RegisterUser', data: registration }];
  if (input.password !== null) {
    wishes.push({ type: 'SetPassword', data: await verifierOf(context, sub, input.password) });
  }
  return { sub, digest, wishes };
}

/**
 * Registers a person under a user name nobody has, with a random `sub`.
 * @throws DomainError `already_exists` (field username), `invalid`
 */
export const registerUser: Command<z.input<typeof registrationInput>, { sub: string }> = async (
  context,
  raw,
  envelope,
) => {
  const { sub, digest, wishes } = await newUser(context, await checkedUser(raw));
  return carryOut(
    context,
    [
      act(usernames, digest, [{ type: 'ClaimUsername', data: { sub } }]),
      act(user, sub, wishes, { fresh: true }),
    ],
    envelope,
    { sub },
  );
};

const sub = name(128);
const target = { sub, expectedVersion };

const passwordInput = z.object({ ...target, password });

/** Sets a person's password. @throws DomainError `invalid` for a weak one */
export const setPassword: Command<z.input<typeof passwordInput>, { sub: string }> = async (
  context,
  raw,
  envelope,
) => {
  const input = parse(passwordInput, raw);
  await assertStrong(input.password, await claimsOf(context, input.sub));
  const verifier = await verifierOf(context, input.sub, input.password);
  return carryOut(
    context,
    [act(user, input.sub, [{ type: 'SetPassword', data: verifier }], input)],
    envelope,
    { sub: input.sub },
  );
};

const codeInput = z.object({ ...target, code: orNull(line(64).min(4, 'must have 4 characters')) });

/** Gives a person a user code (OpenID Connect CIBA §7.1), or with null takes it away. */
export const changeBackchannelCode: Command<z.input<typeof codeInput>, { sub: string }> = async (
  context,
  raw,
  envelope,
) => {
  const input = parse(codeInput, raw);
  const backchannelCode = input.code && (await verifierOf(context, input.sub, input.code)).verifier;
  return carryOut(
    context,
    [act(user, input.sub, [{ type: 'ChangeBackchannelCode', data: { backchannelCode } }], input)],
    envelope,
    { sub: input.sub },
  );
};

const claimsInput = z.object({ ...target, claims });

/** Replaces what is known of a person; the user name stays. */
export const changeUserClaims: Command<z.input<typeof claimsInput>, { sub: string }> = async (
  context,
  raw,
  envelope,
) => {
  const input = parse(claimsInput, raw);
  const { preferred_username } = await claimsOf(context, input.sub);
  const personal = await sealClaims(context, input.sub, { preferred_username, ...input.claims });
  return carryOut(
    context,
    [act(user, input.sub, [{ type: 'ChangeUserClaims', data: { personal } }], input)],
    envelope,
    { sub: input.sub },
  );
};

/** A command that puts one wish to a person who is there. */
function wish<Output extends { sub: string; expectedVersion?: number }, Input>(
  schema: z.ZodType<Output, Input>,
  make: (input: Output) => Wish<UserWishes>,
): Command<Input, { sub: string }> {
  return async (context, raw, envelope) => {
    const input = parse(schema, raw);
    const acts = [act(user, input.sub, [make(input)], input)];
    return carryOut(context, acts, envelope, { sub: input.sub });
  };
}

export const changeUserRoles = wish(z.object({ ...target, roles }), ({ roles }) => ({
  type: 'ChangeUserRoles',
  data: { roles },
}));

export const disableUser = wish(z.object({ ...target, reason }), ({ reason }) => ({
  type: 'DisableUser',
  data: { reason },
}));

export const enableUser = wish(z.object(target), () => ({ type: 'EnableUser', data: {} }));

const eraseInput = z.object(target);

/**
 * Forgets a person for ever: frees the user name and, once that is recorded, destroys the key under
 * which everything about them is sealed. Repeating it is safe, and finishes what was interrupted.
 */
export const eraseUser: Command<z.input<typeof eraseInput>, { sub: string }> = async (
  context,
  raw,
  envelope,
) => {
  const input = parse(eraseInput, raw);
  const { usernameDigest } = fold(user, await history(context, input.sub));
  const acts = [act(user, input.sub, [{ type: 'EraseUser', data: {} }], input)];
  if (usernameDigest) {
    acts.unshift(
      act(usernames, usernameDigest, [{ type: 'ReleaseUsername', data: { sub: input.sub } }]),
    );
  }
  const done = await carryOut(context, acts, envelope, { sub: input.sub });
  await context.subjectKeys.destroy(input.sub);
  return done;
};

/** What is known of a person. @throws DomainError `not_found`, `removed` (erased) */
async function claimsOf(context: CommandContext, sub: string): Promise<SealedClaims> {
  const facts = await history(context, sub);
  const { status } = fold(user, facts);
  if (status === 'none') throw new DomainError('not_found', 'no such user', { field: 'sub' });
  const sealed = facts.findLast(({ data }) => 'personal' in data)?.data as
    | { personal: Sealed }
    | undefined;
  const opened =
    status === 'erased' || !sealed ? null : await context.subjectKeys.open(sub, sealed.personal);
  if (opened === null) {
    throw new DomainError('removed', 'the user has been erased', { field: 'sub' });
  }
  return JSON.parse(opened) as SealedClaims;
}

async function history({ store }: CommandContext, sub: string) {
  return (await store.read(streamOf(user, sub))).map(upcast);
}

function sealClaims(context: Sealing, sub: string, claims: SealedClaims): Promise<Sealed> {
  return context.subjectKeys.seal(sub, JSON.stringify(claims));
}

async function verifierOf(context: Sealing, sub: string, password: string) {
  return { verifier: await context.subjectKeys.seal(sub, await hashPassword(password)) };
}

async function assertStrong(password: string, known: SealedClaims): Promise<void> {
  const words = [known.preferred_username, known.email, known.name].filter(
    (word) => word !== undefined,
  );
  const problem = await passwordProblem(password, words);
  if (problem) throw new DomainError('invalid', problem, { field: 'password' });
}

function isTimeZone(timeZone: string): boolean {
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone }));
  } catch {
    return false;
  }
}

function isLanguage(tag: string): boolean {
  try {
    return tag.length <= 35 && Boolean(new Intl.Locale(tag));
  } catch {
    return false;
  }
}
