import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { hash, verify } from '@node-rs/argon2';
import pLimit from 'p-limit';

const require = createRequire(import.meta.url);

/** OWASP's recommendation for argon2id: 19 MiB, two passes, one lane. */
const ARGON2ID = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

const MIN_LENGTH = 8;
const MAX_LENGTH = 1_024;

/** Hashing runs on libuv's four threads, which name resolution and files need as well. */
const oneOfFew = pLimit(Math.max(1, Math.min(3, availableParallelism() - 1)));

/** Costs what a real verifier costs, and matches nothing: nobody knows its password. */
let decoy: Promise<string> | undefined;

/** @returns an argon2id verifier in PHC format, with a salt of its own */
export function hashPassword(password: string): Promise<string> {
  return oneOfFew(() => hash(normalised(password), ARGON2ID));
}

/**
 * Whether the password is the verifier's. For a person who is unknown or has no password, `null` takes
 * as long as a wrong password and is false.
 */
export async function verifyPassword(verifier: string | null, password: string): Promise<boolean> {
  // Longer ones were never accepted; hashing them is work for an attacker's pleasure.
  const attempt = password.length <= MAX_LENGTH ? normalised(password) : '';
  decoy ??= hashPassword(crypto.randomUUID());
  const against = verifier ?? (await decoy);
  return oneOfFew(() => verify(against, attempt));
}

/**
 * What is wrong with a new password, as a sentence without its subject; null when nothing is. Length
 * is what counts, and that nobody would guess it first; there are no rules about kinds of characters
 * (NIST SP 800-63B §5.1.1.2).
 * @param related words an attacker tries first: the person's user name, e-mail address, name
 */
export function passwordProblem(password: string, related: readonly string[] = []): string | null {
  if (!password.isWellFormed()) return 'must be valid Unicode';
  const characters = [...normalised(password)].length;
  if (characters < MIN_LENGTH) return `must have at least ${MIN_LENGTH} characters`;
  if (password.length > MAX_LENGTH) return `must have at most ${MAX_LENGTH} characters`;
  const folded = normalised(password).toLowerCase();
  if (new Set(folded).size < 3 || commonPasswords().has(folded)) {
    return 'must not be one of the most common passwords';
  }
  if (related.some((word) => normalised(word).toLowerCase() === folded)) {
    return 'must not be a name or address of its owner';
  }
  return null;
}

/** Loaded when first asked for: it takes a tenth of a second. */
function commonPasswords(): ReadonlySet<string> {
  common ??= new Set(require('@zxcvbn-ts/language-common').dictionary['passwords-common']);
  return common;
}
let common: ReadonlySet<string> | undefined;

/** One password, however a keyboard composes its letters (NIST SP 800-63B §5.1.1.2). */
function normalised(password: string): string {
  return password.normalize('NFKC');
}
