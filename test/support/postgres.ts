import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** The variable in which the global set-up hands the run's server to the test files. */
export const SERVER_VARIABLE = 'MUNIMENT_TEST_POSTGRES';

export interface TestDatabase {
  connection: pg.PoolConfig;
  /** The same as a DATABASE_URL, for servers in processes of their own. */
  url: string;
  /** Drops the database, whoever is still connected. */
  drop(): Promise<void>;
}

/**
 * A fresh, empty database: for one test file, dropped by its `afterAll`.
 * @param server a URL; the run's one server when absent
 */
export async function createDatabase(server = process.env[SERVER_VARIABLE]): Promise<TestDatabase> {
  if (!server) throw new Error('no test server; is the global set-up in jest.config.js?');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await administer(server, `create database ${name} template template0`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    connection: { connectionString: url.href },
    url: url.href,
    drop: () => administer(server, `drop database if exists ${name} with (force)`),
  };
}

async function administer(server: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
