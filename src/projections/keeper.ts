import type pg from 'pg';
import type { EventStore } from '../eventstore/event-store.ts';
import { toPosition } from '../eventstore/event-store.ts';
import { type BuildProgress, buildReadModels } from './build.ts';
import { protocolReadModels } from './index.ts';
import { checkpoint } from './projector.ts';
import { pruneAll, readPruning, savePruning } from './prune.ts';
import { catchUp } from './rebuild.ts';
import { READ_SCHEMA } from './version.ts';
import { allVersions, inlineVersion, noteVersion, takeOver, versionOf } from './versions.ts';

/** Events that are left for the moment in which nobody appends. */
const FEW = 1_000n;

/**
 * What the projector of this version of the read models asks before it projects: builds them if they
 * are not built, makes them the only ones as soon as no node of another version is there, and says
 * whether there is something to project.
 * @param options.inline whether appends can write them, as they do on Postgres
 */
export function versionKeeper(options: {
  store: EventStore;
  inline: boolean;
  signal: AbortSignal;
  progress: (progress: BuildProgress) => void;
}): (client: pg.PoolClient) => Promise<boolean> {
  const { store, inline, signal, progress } = options;
  const schema = READ_SCHEMA;
  const readModels = { store, projections: protocolReadModels };
  return async (client) => {
    const version = await versionOf(client, schema);
    if (version?.paused) return false;
    if (version?.state === 'building') {
      await buildReadModels({
        ...readModels,
        client,
        schema,
        signal,
        async progress(done) {
          progress(done);
          const { eventsPerSecond: events_per_second } = done;
          await noteVersion(client, schema, { events_per_second, failure: null });
        },
      });
      await pruneLike(client, schema);
      await noteVersion(client, schema, { state: 'ready', events_per_second: null, failure: null });
    }
    if (inline && (await inlineVersion(client)) === schema) return false;
    if (inline && (await behind(client)) > FEW) return true;
    const only = await takeOver(client, schema, {
      inline,
      catchUp: () => catchUp(client, readModels, schema),
    });
    return !(inline && only);
  };
}

/** Takes away what the version in use has taken away. */
async function pruneLike(client: pg.ClientBase, schema: string): Promise<void> {
  const inUse = (await allVersions(client)).find(({ part, state }) => {
    return part === 'protocol' && state === 'active';
  });
  if (!inUse) return;
  const pruning = await readPruning(client, inUse.schema);
  await savePruning(client, schema, pruning);
  await pruneAll(client, schema, pruning);
}

async function behind(client: pg.ClientBase): Promise<bigint> {
  const { rows } = await client.query('select coalesce(max(position), 0) as head from log.events');
  return BigInt(rows[0].head) - BigInt((await checkpoint(client, READ_SCHEMA)) ?? 0);
}

/**
 * How far this version is from showing what the log holds; null once it does. `head` is about where
 * the log ended when it was asked first.
 */
export async function notReady(pool: pg.Pool, head: string): Promise<string | null> {
  const version = await versionOf(pool, READ_SCHEMA);
  if (version?.failure) return `the read models stand still: ${version.failure.message}`;
  if ((await inlineVersion(pool)) === READ_SCHEMA) return null;
  const reached = (await checkpoint(pool, READ_SCHEMA)) ?? toPosition(0);
  if (version?.state !== 'building' && reached >= head) return null;
  const share = Math.floor((Number(reached) / Math.max(Number(head), 1)) * 100);
  const rate = version?.events_per_second;
  return `the read models are being built: ${share}%${rate ? `, ${rate} events/s` : ''}`;
}
