import type { EventStoreDouble } from '../support/eventstoredb/double.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { addressOf, startTcpProxy, type TcpProxy, through } from '../support/tcp-proxy.ts';
import { sessionName } from './leader.ts';
import type { Machine } from './machine.ts';

/** The way of each node to what it needs. */
export class Ways {
  readonly toPostgres: TcpProxy[] = [];
  readonly #toLog: TcpProxy[] = [];

  constructor(private readonly machines: readonly Machine[]) {}

  /** Makes those of a node. @returns its configuration with them */
  async of(
    nth: number,
    database: TestDatabase,
    double: EventStoreDouble | undefined,
  ): Promise<Record<string, string>> {
    const host = this.machines[nth]?.others;
    const proxy = await startTcpProxy(addressOf(database), host);
    this.toPostgres[nth] = proxy;
    const env = { DATABASE_URL: through(proxy, database, sessionName(nth)) };
    if (!double || !host) return env;
    // It listens for those who are on this machine.
    const { hostname, port, host: place } = new URL(double.url);
    const way = await startTcpProxy({ host: hostname, port: Number(port) }, host);
    this.#toLog.push(way);
    return { ...env, EVENTSTORE_URL: double.url.replace(place, `${host}:${way.port}`) };
  }

  async stop(): Promise<void> {
    await Promise.all([...this.toPostgres, ...this.#toLog].map((proxy) => proxy.stop()));
  }
}
