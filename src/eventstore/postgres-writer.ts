import type pg from 'pg';
import { isTransient } from '../platform/postgres.ts';
import type { Outcome } from './postgres-batch.ts';

/** The one connection that appends; replaced when it breaks. */
export class Writer {
  #client: Promise<pg.PoolClient> | undefined;

  constructor(private readonly pool: pg.Pool) {}

  async query(values: unknown[]): Promise<Outcome[]> {
    try {
      this.#client ??= this.#connect();
      const client = await this.#client;
      const { rows } = await client.query<Outcome>({
        name: 'log-append',
        text: `select request, outcome, subject, "position" from log.append(
                 $1::int[], $2::text[], $3::int[], $4::jsonb, $5::jsonb, $6::jsonb, $7::jsonb, $8)`,
        values,
      });
      return rows;
    } catch (error) {
      if (isTransient(error)) this.close();
      throw error;
    }
  }

  async #connect(): Promise<pg.PoolClient> {
    const client = await this.pool.connect().catch((error) => {
      this.#client = undefined;
      throw error;
    });
    client.once('error', () => this.close());
    // One shape of call, whatever the size of the batch: planning it anew each time costs more.
    await client.query('set plan_cache_mode = force_generic_plan');
    return client;
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
