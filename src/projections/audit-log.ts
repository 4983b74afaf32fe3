import { LRUCache } from 'lru-cache';
import type pg from 'pg';
import type { Digest, Instant } from '../domain/ids.ts';
import { deciders } from '../domain/index.ts';
import type { EventStore, Position, RecordedEvent } from '../eventstore/event-store.ts';
import { LOCKS } from '../platform/locks.ts';
import type { Secrets } from '../platform/secrets.ts';
import type { SubjectKeys } from '../platform/subject-keys.ts';
import { copyRows } from './copy-rows.ts';
import { type ProjectionGroup, type ProjectorObserver, runProjector } from './projector.ts';

/** The schema of the audit index that is in use. */
export const AUDIT_SCHEMA = 'audit_1';

/** A group of its own: nothing that people or applications wait for waits for it. */
export const AUDIT_GROUP: ProjectionGroup = { lock: LOCKS.audit, channel: 'muniment_audited' };

/** Enough for what comes in meanwhile to be written together; nobody who audits notices. */
const PAUSE_MS = 50;
const REMEMBERED = 10_000;

/**
 * An event as it is searched for: who, what, when, on which entity. What it says is in the log alone,
 * and is read from there.
 */
export interface AuditRow {
  readonly position: Position;
  readonly at: Instant;
  readonly type: string;
  /** Category of the entity's streams, as in the list of entities. */
  readonly category: string;
  readonly entity_id: string;
  readonly revision: number;
  readonly actor_type: string;
  readonly actor_id: string;
  /** The client it is about, said by the event itself or by the one with which its entity began. */
  readonly client_id: string | null;
  /** The person it is about, likewise. */
  readonly sub: string | null;
  readonly request_id: string;
  readonly correlation_id: string;
  /** Keyed digest of the address it came from; null where there was none, or the person was erased. */
  readonly address_digest: Digest | null;
}

const COLUMNS: Readonly<Record<keyof AuditRow, string>> = {
  position: 'text collate "C" primary key',
  at: 'timestamptz not null',
  type: 'text not null',
  category: 'text not null',
  entity_id: 'text not null',
  revision: 'integer not null',
  actor_type: 'text not null',
  actor_id: 'text not null',
  client_id: 'text',
  sub: 'text',
  request_id: 'text not null',
  correlation_id: 'text not null',
  address_digest: 'text',
};

/**
 * What is searched for leads to its events in their order. Each index costs every event its part, so
 * what most events have in common has none: those are soon met by going through all in order.
 */
const INDEXES = {
  at: '(at, position)',
  entity: '(category, entity_id, position)',
  type: '(type, position)',
  actor_id: '(actor_id, position)',
  actor_type: `(actor_type, position) where actor_type <> 'client'`,
  correlation_id: '(correlation_id, position)',
  client_id: '(client_id, position) where client_id is not null',
  sub: '(sub, position) where sub is not null',
  address_digest: '(address_digest, position) where address_digest is not null',
  client_grants: `(client_id, position) where category = 'grant' and revision = 0`,
  sub_grants: `(sub, position) where category = 'grant' and revision = 0`,
};

/** The SQL that creates the index. */
export function auditSql(schema: string): string {
  const columns = Object.entries(COLUMNS).map((column) => column.join(' '));
  return [
    `create schema if not exists ${schema};`,
    `create table if not exists ${schema}.checkpoint (
       single boolean primary key default true check (single), position text not null);`,
    `create table if not exists ${schema}.events (${columns.join(', ')});`,
    `create table if not exists ${schema}.links (
       name text not null, stream text not null, primary key (name, stream));`,
    ...Object.entries(INDEXES).map(
      ([name, of]) => `create index if not exists events_${name} on ${schema}.events ${of};`,
    ),
  ].join('\n');
}

/** What the index needs to know an address again without keeping it. */
export interface AuditKeys {
  readonly secrets: Pick<Secrets, 'open' | 'keyedDigest'>;
  readonly subjectKeys: Pick<SubjectKeys, 'open'>;
}

/** What stands in the index for an address. */
export function addressDigest({ secrets }: Pick<AuditKeys, 'secrets'>, address: string): Digest {
  return secrets.keyedDigest('address', address);
}

/** Keeps the index up to date from the log, on whichever engine, until the signal aborts. */
export function runAuditProjector(options: {
  pool: pg.Pool;
  store: EventStore;
  keys: AuditKeys;
  signal: AbortSignal;
  failed: (error: unknown) => void;
  observe?: ProjectorObserver;
  needed?: (client: pg.ClientBase) => Promise<boolean>;
  recovered?: () => Promise<void>;
}): Promise<void> {
  const { keys, ...rest } = options;
  return runProjector({
    ...rest,
    schema: AUDIT_SCHEMA,
    group: AUDIT_GROUP,
    write: auditWriter(AUDIT_SCHEMA, keys),
    pause: PAUSE_MS,
  });
}

/** Writes events into the index, in order. */
export function auditWriter(schema: string, keys: AuditKeys) {
  const beginnings = new LRUCache<string, About>({ max: REMEMBERED });
  const sources = new LRUCache<string, { digest: Digest | null }>({ max: REMEMBERED });

  /** Whom the first events of these entities are about; they are in the index, or among the events. */
  async function recall(client: pg.ClientBase, events: readonly RecordedEvent[]): Promise<void> {
    const unknown = new Map<string, RecordedEvent>();
    for (const event of events) {
      if (event.revision === 0) beginnings.set(event.stream, aboutItself(event));
      else if (!beginnings.has(event.stream)) unknown.set(event.stream, event);
    }
    if (unknown.size === 0) return;
    const entities = [...unknown.keys()].map(entityOf);
    const { rows } = await client.query<About & { nth: number }>(
      `select k.nth::int as nth, e.client_id as client, e.sub
       from unnest($1::text[], $2::text[]) with ordinality as k(category, id, nth)
       join ${schema}.events e on e.category = k.category and e.entity_id = k.id and e.revision = 0`,
      [entities.map(({ category }) => category), entities.map(({ id }) => id)],
    );
    const streams = [...unknown.keys()];
    for (const { nth, client: id, sub } of rows) {
      beginnings.set(streams[nth - 1] as string, { client: id, sub });
    }
  }

  /** Opened once where many events came from one place: they were sealed together. */
  async function sourceDigest({ metadata }: RecordedEvent): Promise<Digest | null> {
    const { source, subject } = metadata;
    const known = source !== null && !subject && sources.get(source);
    if (known) return known.digest;
    const opened = await openSource(keys, metadata);
    const digest = opened && addressDigest(keys, opened.address);
    // A person may be erased, and is to be forgotten then.
    if (source !== null && !subject) sources.set(source, { digest });
    return digest;
  }

  return async (client: pg.ClientBase, events: readonly RecordedEvent[]): Promise<void> => {
    // What is lost with the server is projected again: the checkpoint is lost with it.
    await client.query('set local synchronous_commit to off');
    await recall(client, events);
    const digests = await Promise.all(events.map(remembering(sourceDigest)));
    const rows = events.map((event, nth) =>
      rowOf(event, beginnings.get(event.stream), digests[nth] ?? null),
    );
    await copyRows(client, `${schema}.events`, COLUMNS, rows);
    const links = events.flatMap(linksOf);
    if (links.length > 0) {
      await client.query(
        `insert into ${schema}.links select * from unnest($1::text[], $2::text[]) on conflict do nothing`,
        [links.map(({ name }) => name), links.map(({ stream }) => stream)],
      );
    }
    for (const { type, position, stream } of events) {
      if (type !== 'UserErased') continue;
      await client.query(
        `update ${schema}.events set address_digest = null where sub = $1 and position <= $2`,
        [entityOf(stream).id, position],
      );
    }
  };
}

/** By what name a stream can be found again that does not have it as its own. */
function linksOf({ id, type, data, stream }: RecordedEvent): { name: string; stream: string }[] {
  const { digest, grantId, sessionUid } = data as Record<string, unknown>;
  if (type.endsWith('Issued') && digest && type !== 'ClientTokenIssued')
    return [{ name: `token ${digest}`, stream }];
  if (type.endsWith('Approved') && grantId) return [{ name: `grant ${grantId}`, stream }];
  if (type === 'GrantOpened' && sessionUid) return [{ name: `session ${sessionUid}`, stream }];
  if (type === 'LeakContained') return [{ name: `act ${id}`, stream }];
  return [];
}

interface About {
  readonly client: string | null;
  readonly sub: string | null;
}

/** An event as the index has it, but for its address. @param first the first event of its stream */
export function auditRowOf(event: RecordedEvent, first: RecordedEvent): AuditRow {
  return rowOf(event, aboutItself(first), null);
}

function rowOf(
  event: RecordedEvent,
  beginning: About | undefined,
  address_digest: Digest | null,
): AuditRow {
  const { metadata, position, type, revision, stream } = event;
  const { category, id, blind } = entityOf(stream);
  const about = aboutItself(event);
  const inherited = blind ? undefined : beginning;
  return {
    position,
    at: metadata.at,
    type,
    category,
    entity_id: id,
    revision,
    actor_type: metadata.actor.type,
    actor_id: metadata.actor.id,
    client_id: about.client ?? inherited?.client ?? null,
    sub: about.sub ?? inherited?.sub ?? metadata.subject ?? null,
    request_id: metadata.requestId,
    correlation_id: metadata.$correlationId,
    address_digest,
  };
}

/** Whom an event names, by itself or by the entity it belongs to. */
function aboutItself({ data, stream }: RecordedEvent): About {
  const { category, id } = entityOf(stream);
  const { clientId, sub } = data as Record<string, unknown>;
  return {
    client: text(clientId) ?? (category === 'client' ? id : null),
    sub: text(sub) ?? (category === 'user' ? id : null),
  };
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** Asked once for all events of one request among these. */
function remembering<T>(ask: (event: RecordedEvent) => T): (event: RecordedEvent) => T {
  const answers = new Map<string | null, T>();
  return (event) => {
    const { source } = event.metadata;
    const answer = answers.get(source) ?? ask(event);
    answers.set(source, answer);
    return answer;
  };
}

/** Where an event came from; null where there was no network peer, or the person was erased. */
export async function openSource(
  { secrets, subjectKeys }: AuditKeys,
  { source, subject }: RecordedEvent['metadata'],
): Promise<{ address: string; userAgent: string } | null> {
  if (source === null) return null;
  const opened = subject ? await subjectKeys.open(subject, source) : secrets.open('source', source);
  return opened === null ? null : JSON.parse(opened);
}

const categories = Object.values(deciders).map(({ category, ...decider }) => ({
  category,
  blind: 'blind' in decider,
}));

/** `client-demo` is the client `demo`; `sign-ins-2026-11-21` is the day of that date. */
export function entityOf(stream: string): { category: string; id: string; blind: boolean } {
  const known = categories.find(({ category }) => stream.startsWith(`${category}-`));
  const category = known?.category ?? stream.slice(0, stream.indexOf('-'));
  return { category, id: stream.slice(category.length + 1), blind: known?.blind ?? false };
}
