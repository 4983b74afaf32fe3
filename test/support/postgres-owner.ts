// A process that owns an embedded PostgreSQL until it is killed. Prints {pid, connection} when ready.
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';

const [dataDir = ''] = process.argv.slice(2);
const { pid, connection } = await startEmbeddedPostgres({ dataDir });
console.log(JSON.stringify({ pid, connection }));
setInterval(() => {}, 60_000);
