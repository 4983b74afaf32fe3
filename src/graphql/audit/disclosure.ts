import type { RecordedEvent } from '../../eventstore/event-store.ts';
import { type AuditKeys, entityOf, openSource } from '../../projections/audit-log.ts';
import { SEALED } from '../time-travel/telling.ts';

/** Fields of facts that hold what is sealed, or the digest of what could be guessed. */
const HIDDEN = new Set([
  'personal',
  'verifier',
  'privateJwk',
  'secret',
  'bindingMessage',
  'rar',
  'usernameDigest',
]);
/** Likewise, by category, where the name alone does not tell: digests of tokens are what tokens are known by. */
const HIDDEN_IN: Readonly<Record<string, readonly string[]>> = {
  client: ['digest'],
  iat: ['digest'],
};

/** What an event says, as far as it can be shown to everyone who may read it. */
export function disclosed({ stream, data }: Pick<RecordedEvent, 'stream' | 'data'>): object {
  const more = HIDDEN_IN[entityOf(stream).category] ?? [];
  return without(data, new Set([...HIDDEN, ...more])) as object;
}

function without(value: unknown, hidden: ReadonlySet<string>): unknown {
  if (Array.isArray(value)) return value.map((each) => without(each, hidden));
  if (typeof value !== 'object' || value === null) return value;
  const shown = Object.entries(value).map(([name, each]) => [
    name,
    hidden.has(name) && each !== null ? SEALED : without(each, hidden),
  ]);
  return Object.fromEntries(shown);
}

/** What an event holds about persons: where it came from, and their claims where it tells of these. */
export interface Personal {
  readonly source: { readonly address: string; readonly userAgent: string } | null;
  readonly claims: unknown;
}

/** Opens what is sealed about persons; null where there is nothing, or the person was erased. */
export async function personal(
  keys: AuditKeys,
  { stream, data, metadata }: RecordedEvent,
): Promise<Personal> {
  const sealed = (data as { personal?: unknown }).personal;
  const [source, claims] = await Promise.all([
    openSource(keys, metadata),
    typeof sealed === 'string' && stream.startsWith('user-')
      ? keys.subjectKeys.open(stream.slice('user-'.length), sealed)
      : null,
  ]);
  return { source, claims: claims === null ? null : JSON.parse(claims) };
}
