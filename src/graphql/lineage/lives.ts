import type pg from 'pg';
import type { GrantTerms } from '../../domain/grant.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/event-store.ts';
import { upcast } from '../../eventstore/upcast.ts';
import { entityOf } from '../../projections/audit-log.ts';
import { grantsAbout, linkedStreams } from '../../projections/audit-search.ts';

/** As many grants of a person, a client or a session are told of: the latest. */
export const MAX_GRANTS = 50;

/** What is asked about, by what it is known by: of codes and tokens, their digest. */
export interface Subject {
  readonly kind: 'token' | 'grant' | 'session' | 'user' | 'client' | 'key';
  readonly key: string;
}

/** The lives that belong together: whole streams, by name. */
export interface Lives {
  readonly streams: ReadonlyMap<string, readonly RecordedEvent[]>;
  /** false: there are more grants than are told of. */
  readonly complete: boolean;
}

/** Gathers what a subject came of, and what came of it. */
export async function livesOf(
  { pool, store }: { pool: pg.Pool; store: Pick<EventStore, 'read'> },
  subject: Subject,
): Promise<Lives> {
  const streams = new Map<string, readonly RecordedEvent[]>();
  const load = (names: Iterable<string>) =>
    Promise.all(
      [...new Set(names)]
        .filter((name) => !streams.has(name) && !name.includes('\0'))
        .map(async (name) => {
          const events = (await store.read(name)).map(upcast);
          if (events.length > 0) streams.set(name, events);
        }),
    );

  const { roots, complete } = await rootsOf(pool, subject);
  await load(roots);
  const opened = [...streams].filter(([name]) => name.startsWith('grant-'));
  const requests = await linkedStreams(
    pool,
    'grant',
    opened.map(([name]) => entityOf(name).id),
  );
  await load([...[...streams].flatMap(([name, events]) => restsOn(name, events)), ...requests]);
  await load(await linkedStreams(pool, 'act', [...streams.values()].flatMap(causesOf)));
  return { streams, complete };
}

/** The streams to begin with. */
async function rootsOf(
  pool: pg.Pool,
  { kind, key }: Subject,
): Promise<{ roots: string[]; complete: boolean }> {
  if (kind === 'token') {
    return { roots: await linkedStreams(pool, 'token', [key]), complete: true };
  }
  const own = `${kind}-${key}`;
  if (kind === 'grant' || kind === 'key') return { roots: [own], complete: true };
  const found =
    kind === 'session'
      ? await linkedStreams(pool, 'session', [key])
      : await grantsAbout(pool, kind === 'user' ? 'sub' : 'client_id', key, MAX_GRANTS + 1);
  return { roots: [own, ...found.slice(0, MAX_GRANTS)], complete: found.length <= MAX_GRANTS };
}

/** The events for which something ended. */
function causesOf(events: readonly RecordedEvent[]): string[] {
  return events
    .filter(({ type }) => /(Revoked|Ended)$/.test(type))
    .map(({ metadata }) => metadata.$causationId);
}

/** The streams of what an entity rests on. */
function restsOn(stream: string, events: readonly RecordedEvent[]): string[] {
  const { category } = entityOf(stream);
  const facts = events.map(({ data }) => data as Partial<GrantTerms>);
  const clients = facts.flatMap(({ clientId }) => (clientId ? [`client-${clientId}`] : []));
  const [{ sub, clientId, sessionUid } = {}] = facts;
  const person = sub && category !== 'user' ? [`user-${sub}`] : [];
  if (category === 'grant') {
    return [
      ...person,
      ...clients,
      `consent-${sub}.${clientId}`,
      ...(sessionUid ? [`session-${sessionUid}`] : []),
    ];
  }
  return category === 'token' ? clients : person;
}
