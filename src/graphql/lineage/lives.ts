import type pg from 'pg';
import type { GrantTerms } from '../../domain/grant.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/event-store.ts';
import { upcast } from '../../eventstore/upcast.ts';
import { entityOf } from '../../projections/audit-log.ts';
import { backchannelRequests } from '../../projections/backchannel-requests.ts';
import { deviceAuthorizations } from '../../projections/device-authorizations.ts';
import { type GrantRow, grants } from '../../projections/grants.ts';
import { readBy } from '../../projections/page.ts';
import { type TokenRow, tokens } from '../../projections/tokens.ts';

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
  const ids = opened.map(([name]) => entityOf(name).id);
  const requests = await Promise.all(
    [
      { category: 'device', model: deviceAuthorizations },
      { category: 'ciba', model: backchannelRequests },
    ].map(async ({ category, model }) => {
      const rows = await readBy<{ digest: string }>(pool, model, 'grant_id', ids);
      return rows.map(({ digest }) => `${category}-${digest}`);
    }),
  );
  await load([
    ...[...streams].flatMap(([name, events]) => restsOn(name, events)),
    ...requests.flat(),
  ]);
  return { streams, complete };
}

/** The streams to begin with. */
async function rootsOf(
  pool: pg.Pool,
  { kind, key }: Subject,
): Promise<{ roots: string[]; complete: boolean }> {
  if (kind === 'token') {
    const [row] = await readBy<TokenRow>(pool, tokens, 'digest', [key]);
    const root = row?.grant_id ? `grant-${row.grant_id}` : `token-${key}`;
    return { roots: [root], complete: true };
  }
  if (kind === 'grant' || kind === 'key') return { roots: [`${kind}-${key}`], complete: true };
  const column = { session: 'session_uid', user: 'sub', client: 'client_id' }[kind];
  const rows = await readBy<GrantRow>(pool, grants, column, [key]);
  const latest = rows.sort((a, b) => (a.opened_at < b.opened_at ? 1 : -1)).slice(0, MAX_GRANTS);
  return {
    roots: [`${kind}-${key}`, ...latest.map(({ grant_id }) => `grant-${grant_id}`)],
    complete: rows.length <= MAX_GRANTS,
  };
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
