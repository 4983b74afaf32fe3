import type pg from 'pg';
import { isTransient } from '../platform/postgres.ts';
import type { Outcome } from './postgres-batch.ts';

/** A session of PostgreSQL. Its process id alone may be another's later. */
interface Session {
  readonly pid: number;
  readonly backend_start: string;
}

/**
 * The one connection that appends; replaced when it breaks. One that does not answer may yet append
 * what it was given: its session is ended before another appends.
 */
export class Writer {
  #client: Promise<pg.PoolClient> | undefined;
  #session: Session | undefined;

  /** @param answerWithin milliseconds after which an answer is waited for no more */
  constructor(
    private readonly pool: pg.Pool,
    private readonly answerWithin: number,
  ) {}

  async query(values: unknown[]): Promise<Outcome[]> {
    try {
      this.#client ??= this.#connect().catch((error) => {
        this.#client = undefined;
        throw error;
      });
      return await this.#ask<Outcome>(await this.#client, {
        name: 'log-append',
        text: `select request, outcome, subject, "position" from log.append(
                 $1::int[], $2::text[], $3::int[], $4::jsonb, $5::jsonb, $6::jsonb, $7::jsonb, $8)`,
        values,
      });
    } catch (error) {
      if (isTransient(error)) this.close();
      throw error;
    }
  }

  async #connect(): Promise<pg.PoolClient> {
    const client = await this.pool.connect();
    client.once('error', () => this.close());
    try {
      if (this.#session) await this.#end(client, this.#session);
      const [session] = await this.#ask<Session>(client, {
        text: 'select pid, backend_start::text from pg_stat_activity where pid = pg_backend_pid()',
      });
      this.#session = session;
      // One shape of call, whatever the size of the batch: planning it anew each time costs more.
      await this.#ask(client, { text: 'set plan_cache_mode = force_generic_plan' });
      return client;
    } catch (error) {
      client.release(true);
      throw error;
    }
  }

  async #end(client: pg.PoolClient, { pid, backend_start }: Session): Promise<void> {
    await this.#ask(client, {
      text: `select pg_terminate_backend(pid, $3) from pg_stat_activity
             where pid = $1 and backend_start = $2`,
      values: [pid, backend_start, this.answerWithin],
    });
  }

  async #ask<Row extends pg.QueryResultRow>(client: pg.PoolClient, query: pg.QueryConfig) {
    const { rows } = await client.query<Row>({
      ...query,
      query_timeout: this.answerWithin,
    } as pg.QueryConfig);
    return rows;
  }

  close(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.then(
      (it) => it.release(true),
      () => undefined,
    );
  }
}
