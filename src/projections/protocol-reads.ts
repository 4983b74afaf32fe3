import type pg from 'pg';
import type { Instant } from '../domain/ids.ts';
import { coalesced } from '../platform/coalesce.ts';
import type { ApiResourceRow } from './api-resources.ts';
import { READ_SCHEMA } from './apply.ts';
import type { BackchannelRequestRow } from './backchannel-requests.ts';
import type { ClientRow, ClientSecretRow, ClientTextRow } from './clients.ts';
import type { ConsentRow } from './consents.ts';
import type { CookieKeyRow } from './cookie-keys.ts';
import type { DeviceAuthorizationRow } from './device-authorizations.ts';
import type { GrantRow } from './grants.ts';
import type { InitialAccessTokenRow } from './initial-access-tokens.ts';
import { remembered } from './remembered.ts';
import type { ScopeRow, ScopeTextRow } from './scopes.ts';
import type { SessionClientRow, SessionRow } from './sessions.ts';
import type { SigningKeyRow } from './signing-keys.ts';
import type { TokenRow } from './tokens.ts';
import type { TrustedIssuerRow } from './trusted-issuers.ts';
import type { UserRow } from './users.ts';

export type KnownClient = ClientRow & { readonly secrets: readonly ClientSecretRow[] };

/** A token with what decides whether it is valid. */
export type KnownToken = TokenRow & {
  readonly grant: GrantRow | null;
  readonly user: UserRow | null;
  /** The session of the grant, if it belongs to one; of its clients that of the grant alone. */
  readonly session: KnownSession | null;
  /** Of the row of the client that holds it. */
  readonly client_version: string | null;
  /** The clients it was issued to and under are there and enabled, and so is the person, if any. */
  readonly enabled: boolean;
};

export type KnownSession = SessionRow & {
  readonly clients: readonly SessionClientRow[];
  /** The person is there and not disabled. */
  readonly enabled: boolean;
  /** Some browser still has a cookie of it. */
  readonly live: boolean;
};

/** A token, and one row each of what its validity rests on. */
const TOKEN_SOURCES = `from ${READ_SCHEMA}.tokens t
  left join ${READ_SCHEMA}.grants g on g.grant_id = t.grant_id
  left join ${READ_SCHEMA}.clients c on c.client_id = coalesce(t.client_id, g.client_id)
  left join ${READ_SCHEMA}.clients o on o.client_id = g.client_id
  left join ${READ_SCHEMA}.users u on u.sub = g.sub
  left join ${READ_SCHEMA}.sessions s on s.uid = g.session_uid
  left join ${READ_SCHEMA}.users p on p.sub = s.sub
  left join ${READ_SCHEMA}.session_clients m
    on m.uid = s.uid and m.client_id = g.client_id and m.grant_id = g.grant_id
  where t.digest = any($1)`;

const LIVE = `exists (select from state.entries e where e.model = 'Session' and e.lookup = s.uid
  and (e.expires_at is null or e.expires_at > now()))`;

/** The version of each of these rows, and of what is in no row of theirs. */
const TOKEN_VERSION = `row(${[...'tgcouspm'].map((row) => `${row}.xmin`)}, ${LIVE})::text`;

const TOKENS = {
  versions: `select t.digest as key, ${TOKEN_VERSION} as version ${TOKEN_SOURCES}`,
  rows: `select t.digest as key, ${TOKEN_VERSION} as version,
      t.*, c.xmin::text as client_version, row_to_json(g) as grant, row_to_json(u) as user,
      case when s.uid is not null then (select row_to_json(k) from (select s.*,
        p.sub is not null and p.disabled_at is null as enabled,
        ${LIVE} as live,
        case when m.uid is null then '[]' else json_build_array(row_to_json(m)) end as clients) k
      ) end as session,
      c.client_id is not null and c.disabled_at is null
        and (g.client_id is null or (o.client_id is not null and o.disabled_at is null))
        and (g.sub is null or (u.sub is not null and u.disabled_at is null)) as enabled
    ${TOKEN_SOURCES}`,
};

/** Codes and refresh tokens are shown once, as a rule. */
function isPresentedAgain({ kind }: KnownToken): boolean {
  return kind === 'access_token' || kind === 'client_token';
}

/** What is shown of a client in other languages. */
export interface KnownClientTexts {
  readonly client_id: string;
  readonly texts: readonly ClientTextRow[];
}

export type KnownScope = ScopeRow & { readonly texts: readonly ScopeTextRow[] };

/** A technical row of the `state` schema that has not expired. */
export interface StateEntry {
  readonly id: string;
  readonly payload: string | null;
}

type Read<V> = (key: string) => Promise<V>;

/**
 * How PostgreSQL should plan these: once for each connection and by the indexes. To plan the reading
 * of a token takes it longer than to read it, and a plan that is best for an empty table is kept.
 */
export const PLANS_FOR_READING = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
};

/**
 * The queries of the protocol. Each is one statement for everything that is asked in the same
 * moment, whoever asks; an unknown key is undefined.
 */
export class ProtocolReads {
  readonly client: (clientId: string) => Promise<KnownClient | undefined>;
  /** A client of a version that has just been read otherwise, where it is remembered; it asks nobody. */
  readonly clientOfVersion: (clientId: string, version: string) => KnownClient | undefined;
  readonly clientTexts: (clientId: string) => Promise<KnownClientTexts | undefined>;
  readonly token: (digest: string) => Promise<KnownToken | undefined>;
  readonly grant: (grantId: string) => Promise<GrantRow | undefined>;
  readonly session: (uid: string) => Promise<KnownSession | undefined>;
  readonly deviceAuthorization: (digest: string) => Promise<DeviceAuthorizationRow | undefined>;
  readonly backchannelRequest: (digest: string) => Promise<BackchannelRequestRow | undefined>;
  readonly consent: (consentId: string) => Promise<ConsentRow | undefined>;
  readonly user: (sub: string) => Promise<UserRow | undefined>;
  readonly initialAccessToken: (digest: string) => Promise<InitialAccessTokenRow | undefined>;
  readonly userByName: (usernameDigest: string) => Promise<UserRow | undefined>;
  readonly trustedIssuer: (issuerId: string) => Promise<TrustedIssuerRow | undefined>;
  readonly #entry: (key: string) => Promise<(StateEntry & { key: string }) | undefined>;

  /**
   * @param around may remember the answers, say for as long as a request lasts
   * @param knowing may know clients beside those that have a row
   * @param late waits until the read models hold what the log does; false where they always do
   */
  constructor(
    private readonly pool: pg.Pool,
    around: <V>(name: string, read: Read<V>) => Read<V> = (_, read) => read,
    knowing: (read: Read<KnownClient | undefined>) => Read<KnownClient | undefined> = (read) =>
      read,
    late: () => Promise<boolean> = async () => false,
  ) {
    const of = <V>(name: string, key: keyof V & string, sql: string) =>
      around(name, byKey<V>(pool, name, key, sql));
    const s = READ_SCHEMA;

    const client = remembered<KnownClient>(pool, {
      name: 'client',
      most: 2_000,
      versions: `select client_id as key, xmin::text as version
        from ${s}.clients where client_id = any($1)`,
      rows: `select c.client_id as key, c.xmin::text as version, c.*,
            coalesce((select jsonb_agg(to_jsonb(s))
              from ${s}.client_secrets s where s.client_id = c.client_id), '[]') as secrets
          from ${s}.clients c where c.client_id = any($1)`,
    });
    this.client = around('client', knowing(storable(client.read)));
    this.clientOfVersion = client.ofVersion;
    this.clientTexts = of(
      'client-texts',
      'client_id',
      `select client_id, jsonb_agg(to_jsonb(t) order by locale) as texts from ${s}.client_texts t
       where client_id = any($1) group by client_id`,
    );
    const { read } = remembered<KnownToken>(pool, {
      name: 'token',
      most: 10_000,
      ...TOKENS,
      worth: isPresentedAgain,
    });
    const token = storable(read);
    // Whoever is told that a token is none throws it away: that has to be certain.
    const certain: typeof token = async (digest) =>
      (await token(digest)) ?? ((await late()) ? token(digest) : undefined);
    this.token = around('token', certain);
    this.grant = of('grant', 'grant_id', `select * from ${s}.grants where grant_id = any($1)`);
    this.session = of(
      'session',
      'uid',
      `select s.*, u.sub is not null and u.disabled_at is null as enabled, ${LIVE} as live,
         coalesce((select jsonb_agg(to_jsonb(c)) from ${s}.session_clients c
           where c.uid = s.uid), '[]') as clients
       from ${s}.sessions s left join ${s}.users u on u.sub = s.sub where s.uid = any($1)`,
    );
    this.deviceAuthorization = of(
      'device-authorization',
      'digest',
      `select * from ${s}.device_authorizations where digest = any($1)`,
    );
    this.backchannelRequest = of(
      'backchannel-request',
      'digest',
      `select * from ${s}.backchannel_requests where digest = any($1)`,
    );
    this.consent = of(
      'consent',
      'consent_id',
      `select * from ${s}.consents where consent_id = any($1)`,
    );
    this.user = of('user', 'sub', `select * from ${s}.users where sub = any($1)`);
    this.userByName = of(
      'user-by-name',
      'username_digest',
      `select * from ${s}.users where username_digest = any($1)`,
    );
    this.trustedIssuer = of(
      'trusted-issuer',
      'issuer_id',
      `select * from ${s}.trusted_issuers where issuer_id = any($1)`,
    );
    this.initialAccessToken = of(
      'initial-access-token',
      'digest',
      `select * from ${s}.initial_access_tokens where digest = any($1)`,
    );
    this.#entry = of(
      'state-entry',
      'key',
      `select model || ' ' || id as key, id, payload from state.entries
       where (model, id) in (select split_part(k, ' ', 1), split_part(k, ' ', 2) from unnest($1::text[]) k)
         and (expires_at is null or expires_at > now())`,
    );
  }

  /** A live technical row by its id. */
  entry(model: string, id: string): Promise<StateEntry | undefined> {
    return this.#entry(`${model} ${id}`);
  }

  /** What a person allows, the application allowed last before the others. */
  async consentsOf(sub: string): Promise<ConsentRow[]> {
    const { rows } = await this.pool.query<ConsentRow>(
      `select * from ${READ_SCHEMA}.consents where sub = $1 and withdrawn_at is null
       order by granted_at desc`,
      [sub],
    );
    return rows;
  }

  async scopes(): Promise<KnownScope[]> {
    const { rows } = await this.pool.query<KnownScope>(
      `select s.*, coalesce((select jsonb_agg(to_jsonb(t)) from ${READ_SCHEMA}.scope_texts t
         where t.name = s.name), '[]') as texts
       from ${READ_SCHEMA}.scopes s order by s.name`,
    );
    return rows;
  }

  async resources(): Promise<ApiResourceRow[]> {
    const { rows } = await this.pool.query<ApiResourceRow>(
      `select * from ${READ_SCHEMA}.api_resources order by identifier`,
    );
    return rows;
  }

  /** What a person has to decide, the latest first. */
  async waitingFor(sub: string): Promise<BackchannelRequestRow[]> {
    const { rows } = await this.pool.query<BackchannelRequestRow>(
      `select * from ${READ_SCHEMA}.backchannel_requests
       where sub = $1 and expires_at > now() and approved_at is null and denied_at is null
       order by requested_at desc, digest limit 50`,
      [sub],
    );
    return rows;
  }

  /** Clients that registered themselves and have had neither a token nor a change since then. */
  async unusedRegistrations(since: Instant, limit: number): Promise<string[]> {
    const s = READ_SCHEMA;
    const { rows } = await this.pool.query<{ client_id: string }>(
      `select client_id from ${s}.clients c
       where origin = 'dynamic' and changed_at < $1
         and not exists (select from ${s}.tokens t
           where t.client_id = c.client_id and t.expires_at >= $1)
         and not exists (select from ${s}.grants g
           where g.client_id = c.client_id and (g.opened_at >= $1 or exists (
             select from ${s}.tokens t where t.grant_id = g.grant_id and t.expires_at >= $1)))
       order by changed_at limit $2`,
      [since, limit],
    );
    return rows.map(({ client_id }) => client_id);
  }

  async signingKeys(): Promise<SigningKeyRow[]> {
    const { rows } = await this.pool.query<SigningKeyRow>(
      `select * from ${READ_SCHEMA}.signing_keys where retired_at is null
       order by activated_at desc nulls last, kid`,
    );
    return rows;
  }

  async cookieKeys(): Promise<CookieKeyRow[]> {
    const { rows } = await this.pool.query<CookieKeyRow>(
      `select * from ${READ_SCHEMA}.cookie_keys where retired_at is null
       order by activated_at desc nulls last, key_id`,
    );
    return rows;
  }
}

function byKey<V>(
  pool: pg.Pool,
  name: string,
  key: keyof V & string,
  text: string,
): (key: string) => Promise<V | undefined> {
  const load = coalesced<string, V | undefined>(async (keys) => {
    const { rows } = await pool.query<Record<string, unknown>>({
      name: `read-${name}`,
      text,
      values: [keys],
    });
    const found = new Map(rows.map((row) => [row[key] as string, row as V]));
    return keys.map((each) => found.get(each));
  });
  return storable(load);
}

/** Postgres keeps no U+0000, so nothing is found by it; asking would fail everyone in the batch. */
function storable<V>(read: Read<V | undefined>): Read<V | undefined> {
  return async (key) => (key.includes('\0') ? undefined : read(key));
}
