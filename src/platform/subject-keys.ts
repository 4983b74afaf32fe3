import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type pg from 'pg';
import { coalesced } from './coalesce.ts';
import { LOCKS } from './locks.ts';
import { openWith, type Secrets, sealWith } from './secrets.ts';

const KEY_BYTES = 32;
const PURPOSE = 'subject-key';
/** How long a key may still be used by another node after it was destroyed. */
const CACHE_MS = 60_000;
const CACHED_KEYS = 10_000;
/** What remains of a destroyed key, so that no second one is made for the same person. */
const DESTROYED = '';

/**
 * A key for each person, under which everything personal about them is sealed. The keys are kept
 * beside the log, wrapped by the master key; destroying one forgets the person in every event, read
 * model and backup of the log at once. (A backup of the keys themselves remembers.)
 */
export class SubjectKeys {
  readonly #pool: pg.Pool;
  readonly #secrets: Secrets;
  /** `null`: destroyed. */
  readonly #cache = new LRUCache<string, { key: KeyObject | null }>({
    max: CACHED_KEYS,
    ttl: CACHE_MS,
  });
  readonly #load: (sub: string) => Promise<string | undefined>;

  constructor(pool: pg.Pool, secrets: Secrets) {
    this.#pool = pool;
    this.#secrets = secrets;
    this.#load = coalesced(async (subs) => {
      const { rows } = await pool.query<{ sub: string; key: string }>(
        'select sub, key from vault.subject_keys where sub = any($1)',
        [subs],
      );
      const found = new Map(rows.map(({ sub, key }) => [sub, key]));
      return subs.map((sub) => found.get(sub));
    });
  }

  /** Makes the table; may be called by several nodes at once. */
  static async migrate(pool: pg.Pool): Promise<void> {
    await pool.query(`
      select pg_advisory_xact_lock(${LOCKS.migrateVault});
      create schema if not exists vault;
      create table if not exists vault.subject_keys (sub text primary key, key text not null);
    `);
  }

  /**
   * Seals under the key of `sub`, which is made when there is none. For a person whose key was
   * destroyed, the result can be opened by nobody.
   */
  async seal(sub: string, text: string): Promise<string> {
    const { key } = (await this.#find(sub)) ?? (await this.#make(sub));
    return sealWith(key ?? createSecretKey(randomBytes(KEY_BYTES)), contextOf(sub), text);
  }

  /**
   * @returns null when the key was destroyed: the person was erased
   * @throws Error when it was sealed for another person, or tampered with
   */
  async open(sub: string, sealed: string): Promise<string | null> {
    const found = await this.#find(sub);
    return found?.key ? openWith(found.key, contextOf(sub), sealed) : null;
  }

  /** For ever. On other nodes it takes effect within a minute. */
  async destroy(sub: string): Promise<void> {
    await this.#pool.query(
      `insert into vault.subject_keys (sub, key) values ($1, $2)
       on conflict (sub) do update set key = excluded.key`,
      [sub, DESTROYED],
    );
    this.#cache.set(sub, { key: null });
  }

  async #find(sub: string): Promise<{ key: KeyObject | null } | undefined> {
    const cached = this.#cache.get(sub);
    if (cached) return cached;
    const row = await this.#load(sub);
    return row === undefined ? undefined : this.#remember(sub, row);
  }

  async #make(sub: string): Promise<{ key: KeyObject | null }> {
    const key = randomBytes(KEY_BYTES).toString('base64url');
    const { rows } = await this.#pool.query<{ key: string }>(
      `insert into vault.subject_keys (sub, key) values ($1, $2)
       on conflict (sub) do nothing returning key`,
      [sub, this.#secrets.seal(PURPOSE, key)],
    );
    const row = rows[0]?.key ?? (await this.#load(sub)); // another request was first
    if (row === undefined) throw new Error('a subject key vanished while it was made');
    return this.#remember(sub, row);
  }

  #remember(sub: string, row: string): { key: KeyObject | null } {
    // A key destroyed since it was read stays destroyed.
    const newer = this.#cache.get(sub);
    if (newer) return newer;
    const opened = () => createSecretKey(this.#secrets.open(PURPOSE, row), 'base64url');
    const entry = { key: row === DESTROYED ? null : opened() };
    this.#cache.set(sub, entry);
    return entry;
  }
}

/** Binds what is sealed to its person. */
function contextOf(sub: string): string {
  return `subject:${sub}`;
}
