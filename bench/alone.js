import pg from 'pg';
import { ALGORITHMS } from './conditions.js';
import { startContender } from './contenders.js';
import { startDatabase } from './database.js';

/** A number given on the command line as `--name 5`. @param {string} name @param {number} byDefault */
export function numberGiven(name, byDefault) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? byDefault : Number(process.argv[at + 1]);
}

/**
 * Muniment without its peers, and a connection to its database from which it can be observed.
 *
 * @param {{ accessTokenLifetime?: number }} [given] seconds
 */
export async function startAlone(given) {
  const database = await startDatabase();
  let url = '';
  const create = async (/** @type {string} */ name) => {
    url = await database.create(name);
    return url;
  };
  const options = { nodeFlags: [], algorithms: ALGORITHMS, workers: 1, tokens: 0, ...given };
  const server = await startContender('muniment', { ...database, create }, options);
  const client = new pg.Client(url);
  await client.connect();
  return {
    server,
    client,
    async stop() {
      await client.end();
      await server.stop();
      await database.stop();
    },
  };
}
