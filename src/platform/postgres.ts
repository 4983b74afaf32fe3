import pg from 'pg';

/** A query that takes longer is a fault; work that may take longer says `set local`. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** How long a request waits for a free connection or a new one. */
const CONNECT_TIMEOUT_MS = 10_000;

const INT8 = 20;
const DATE = 1082;
const TIMESTAMPTZ = 1184;

/** SQLSTATE. */
const UNIQUE_VIOLATION = '23505';

/**
 * A machine that is gone says nothing, and PostgreSQL would keep its sessions, and what they lock,
 * for hours: so it asks after ten seconds without a word.
 */
const GONE = {
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
  tcp_user_timeout: '25000',
};

export interface ConnectOptions {
  /** Connections at most; 10 when absent. */
  max?: number;
  /** Settings of PostgreSQL for each session. */
  settings?: Readonly<Record<string, string>>;
  /** Milliseconds after which an answer, or a connection, is waited for no more; absent: no limit, 10 s. */
  answerWithin?: number;
  /** Told when an idle connection breaks. The pool replaces it by itself. */
  log?: (error: Error) => void;
}

/**
 * A pool of connections whose sessions run in UTC and whose values are plain JSON: `timestamptz` is
 * an ISO instant as `Date.toISOString` writes it (microseconds are cut off), `date` is
 * `2026-11-21`, `int8` a number, or text beyond 2^53. Statements end after 30 s.
 * @param connection a `postgres://` URL, or the parts of one
 */
export function connectPostgres(
  connection: string | pg.PoolConfig,
  options: ConnectOptions = {},
): pg.Pool {
  const config = typeof connection === 'string' ? { connectionString: connection } : connection;
  const settings = { timezone: "'UTC'", datestyle: "'ISO'", ...GONE, ...options.settings };
  const session = Object.entries(settings)
    .map(([name, value]) => `set ${name} to ${value};`)
    .join(' ');
  const pool = new pg.Pool({
    max: options.max ?? 10,
    application_name: 'muniment',
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
    connectionTimeoutMillis: options.answerWithin ?? CONNECT_TIMEOUT_MS,
    keepAlive: true,
    query_timeout: options.answerWithin,
    types: { getTypeParser },
    // A statement rather than a startup parameter: that would be lost beside `options` of the URL's.
    onConnect: (client) => client.query(session),
    ...config,
  });
  pool.on('error', (error) => options.log?.(error));
  // One that is in use and waits for its next statement: that fails, and is told of it.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/** What pg's own parsers get wrong for us; the formats are PostgreSQL's for a session in UTC. */
const parsers = new Map<number, (text: string) => unknown>([
  [INT8, toInteger],
  [DATE, (text) => text],
  [TIMESTAMPTZ, toInstant],
]);

const getTypeParser = ((oid: number, format?: 'text' | 'binary') =>
  (format !== 'binary' && parsers.get(oid)) ||
  pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser;

function toInteger(text: string): number | string {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : text;
}

const UTC = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00$/;

function toInstant(text: string): string {
  const parts = UTC.exec(text);
  if (parts) return `${parts[1]}T${parts[2]}.${(parts[3] ?? '').padEnd(3, '0').slice(0, 3)}Z`;
  const date = pg.types.getTypeParser(TIMESTAMPTZ)(text);
  return date instanceof Date ? date.toISOString() : text;
}

/**
 * Connection-level states of SQLSTATE: class 08, shutdowns, still starting, sessions that were silent
 * for too long, too many connections.
 */
const TRANSIENT_STATES = /^(08...|57P0[1235]|25P03|53300)$/;
const TRANSIENT_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOENT', // a Unix socket whose server is not there yet
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/** What pg throws without a code. */
const TRANSIENT_MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error)/;

/** Whether PostgreSQL refused a row because another has its key. */
export function isDuplicate(error: unknown): boolean {
  return (error as { code?: string } | null)?.code === UNIQUE_VIOLATION;
}

/** Whether the database was away rather than the statement wrong: it is worth asking again. */
export function isTransient(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code = '', message = '', cause } = error as NodeJS.ErrnoException;
  if (TRANSIENT_CODES.has(code) || TRANSIENT_STATES.test(code)) return true;
  return TRANSIENT_MESSAGES.test(message) || isTransient(cause);
}
