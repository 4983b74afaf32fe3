import type { RecordedEvent } from '../eventstore/event-store.ts';
import { present } from '../eventstore/present.ts';
import { upcast } from '../eventstore/upcast.ts';
import { copyOver, READ_SCHEMA } from './apply.ts';
import type { Divergence } from './compare.ts';
import { project, rowKey } from './projection.ts';
import { beside, dropSchema, type RebuildOptions } from './rebuild.ts';

/** Where the read models are built that those in use are compared with. */
const VERIFIED_SCHEMA = `${READ_SCHEMA}_verified`;

/** A row that is not what the log tells, with the last event that tells of it. */
export interface Finding extends Divergence {
  /** null: no event tells of such a row. */
  readonly told: Pick<RecordedEvent, 'stream' | 'revision' | 'id' | 'type' | 'position'> | null;
}

export interface Verified {
  readonly events: number;
  readonly findings: readonly Finding[];
}

export interface VerifyOptions extends RebuildOptions {
  /** Makes rows that differ what the log tells. */
  readonly repair?: boolean;
}

/**
 * Proves that the read models in use are what the log tells, by building them beside from the log and
 * comparing. Writers wait while what differs is looked at once more.
 */
export async function verify(options: VerifyOptions): Promise<Verified> {
  const { pool, projections } = options;
  await dropSchema(pool, VERIFIED_SCHEMA);
  const { events, divergences } = await beside(options, VERIFIED_SCHEMA, {
    settle: async (client, { divergences }) => {
      for (const projection of options.repair ? projections : []) {
        const keys = divergences
          .filter(({ table }) => table === projection.table)
          .map(({ key }) => key);
        const schemas = { from: VERIFIED_SCHEMA, to: READ_SCHEMA };
        if (keys.length > 0) await copyOver(client, schemas, projection, keys);
      }
      await dropSchema(client, VERIFIED_SCHEMA);
    },
  });
  return { events, findings: await lastTold(options, divergences) };
}

/** Goes through the log for the last event that tells of each of these rows. */
export async function lastTold(
  { store, projections }: Pick<RebuildOptions, 'store' | 'projections'>,
  divergences: readonly Divergence[],
): Promise<Finding[]> {
  if (divergences.length === 0) return [];
  const nameOf = (table: string, key: string) => `${table} ${key}`;
  const keyOf = ({ table, key }: Divergence) => {
    const columns = projections.find((projection) => projection.table === table)?.key ?? [];
    return rowKey(columns, key);
  };
  const told = new Map<string, Finding['told']>();
  const wanted = new Set(divergences.map((each) => nameOf(each.table, keyOf(each))));
  for await (const batch of present(store)) {
    for (const event of batch) {
      for (const [table, rows] of project(projections, [upcast(event)])) {
        for (const key of rows.keys()) {
          const name = nameOf(table, key);
          if (!wanted.has(name)) continue;
          const { stream, revision, id, type, position } = event;
          told.set(name, { stream, revision, id, type, position });
        }
      }
    }
  }
  return divergences.map((divergence) => ({
    ...divergence,
    told: told.get(nameOf(divergence.table, keyOf(divergence))) ?? null,
  }));
}
