import type pg from 'pg';
import type { Logger } from 'pino';
import { type ConnectOptions, connectPostgres } from '../platform/postgres.ts';
import { PLANS_FOR_READING } from './protocol-reads.ts';

/** A few of them append, listen or project. */
const POOL_SIZE = 16;
/** Each kind of reading is one statement at a time. */
const READERS = 4;
/** Milliseconds. What the protocol reads takes a thousandth of it. */
const ANSWER_WITHIN = 5_000;

export interface Pools {
  readonly pool: pg.Pool;
  /** For what the protocol reads. */
  readonly readers: pg.Pool;
}

/** Connections to the database: as many in all as the README says of `WORKERS`. */
export function openPools(connection: string | pg.PoolConfig, log: Logger): Pools {
  const connect = (options: ConnectOptions) =>
    connectPostgres(connection, {
      ...options,
      log: (err) => log.warn({ err }, 'a connection to PostgreSQL broke'),
    });
  return {
    pool: connect({ max: POOL_SIZE }),
    readers: connect({ max: READERS, settings: PLANS_FOR_READING, answerWithin: ANSWER_WITHIN }),
  };
}
