import type { AuditKeys } from '../../projections/audit-log.ts';
import { outcomeOf } from '../history.ts';
import { disclosed, personal } from './disclosure.ts';
import type { Found } from './feed.ts';

/** How events are written for other programs: each a line of JSON. */
export const FORMATS = {
  jsonl: { contentType: 'application/x-ndjson', write: plain },
  /** CloudEvents 1.0, JSON event format; the columns of the index are extension attributes. */
  cloudevents: { contentType: 'application/x-ndjson', write: cloudEvent },
} as const;

export type Format = keyof typeof FORMATS;

interface Writing {
  readonly issuer: string;
  readonly keys: AuditKeys;
  /** Whether the reader may see what is personal, and asks for it. */
  readonly personal: boolean;
}

async function plain({ row, event }: Found, writing: Writing): Promise<object> {
  return {
    position: row.position,
    id: event.id,
    type: row.type,
    at: row.at,
    category: row.category,
    entity: row.entity_id,
    version: row.revision + 1,
    outcome: outcomeOf(row.type),
    actor: { type: row.actor_type, id: row.actor_id },
    authentication: event.metadata.authentication,
    clientId: row.client_id,
    subject: row.sub,
    requestId: row.request_id,
    correlationId: row.correlation_id,
    data: disclosed(event),
    ...(writing.personal ? { personal: await personal(writing.keys, event) } : {}),
  };
}

async function cloudEvent({ row, event }: Found, writing: Writing): Promise<object> {
  return {
    specversion: '1.0',
    id: event.id,
    source: writing.issuer,
    type: `muniment.${row.type}`,
    subject: `${row.category}/${row.entity_id}`,
    time: row.at,
    datacontenttype: 'application/json',
    // Attributes are not null: what there is nothing of is left out.
    ...(row.client_id === null ? {} : { clientid: row.client_id }),
    ...(row.sub === null ? {} : { personid: row.sub }),
    position: row.position,
    actortype: row.actor_type,
    actorid: row.actor_id,
    correlationid: row.correlation_id,
    requestid: row.request_id,
    data: {
      ...disclosed(event),
      ...(writing.personal ? { personal: await personal(writing.keys, event) } : {}),
    },
  };
}
