import DataLoader from 'dataloader';
import type { SealedClaims } from '../commands/users.ts';
import { apiResource } from '../domain/api-resource.ts';
import { backchannelRequest } from '../domain/backchannel-request.ts';
import { client } from '../domain/client.ts';
import { consent } from '../domain/consent.ts';
import { cookieKey } from '../domain/cookie-key.ts';
import { streamOf } from '../domain/decider.ts';
import { deviceAuthorization } from '../domain/device-authorization.ts';
import { grant } from '../domain/grant.ts';
import { initialAccessToken } from '../domain/initial-access-token.ts';
import { notice } from '../domain/notice.ts';
import { scope } from '../domain/scope.ts';
import { session } from '../domain/session.ts';
import { signingKey } from '../domain/signing-key.ts';
import { trustedIssuer } from '../domain/trusted-issuer.ts';
import { user } from '../domain/user.ts';
import type { RecordedEvent } from '../eventstore/event-store.ts';
import { type ApiResourceRow, apiResources } from '../projections/api-resources.ts';
import { linkedStreams } from '../projections/audit-search.ts';
import {
  type BackchannelRequestRow,
  backchannelRequests,
} from '../projections/backchannel-requests.ts';
import {
  type ClientRow,
  type ClientSecretRow,
  type ClientTextRow,
  clientSecrets,
  clients,
  clientTexts,
} from '../projections/clients.ts';
import { type ConsentRow, consents } from '../projections/consents.ts';
import { type CookieKeyRow, cookieKeys } from '../projections/cookie-keys.ts';
import {
  type DeviceAuthorizationRow,
  deviceAuthorizations,
} from '../projections/device-authorizations.ts';
import { type GrantRow, grants } from '../projections/grants.ts';
import {
  type InitialAccessTokenRow,
  initialAccessTokens,
} from '../projections/initial-access-tokens.ts';
import { type NoticeRow, notices } from '../projections/notices.ts';
import { type Revised, readBy } from '../projections/page.ts';
import { rowsAfter } from '../projections/past.ts';
import type { AnyProjection } from '../projections/projection.ts';
import { type ScopeRow, type ScopeTextRow, scopes, scopeTexts } from '../projections/scopes.ts';
import {
  type SessionClientRow,
  type SessionRow,
  sessionClients,
  sessions,
} from '../projections/sessions.ts';
import { type SigningKeyRow, signingKeys } from '../projections/signing-keys.ts';
import { type TokenRow, tokens } from '../projections/tokens.ts';
import { type TrustedIssuerRow, trustedIssuers } from '../projections/trusted-issuers.ts';
import { type UserRow, users } from '../projections/users.ts';
import type { Dependencies } from './context.ts';
import { type Moment, showing } from './time-travel/moment.ts';

/** Everything that is asked for in one turn comes with one query, however long the list. */
export interface Loaders {
  readonly clients: DataLoader<string, Revised<ClientRow> | null>;
  readonly clientSecrets: DataLoader<string, Revised<ClientSecretRow>[]>;
  readonly clientTexts: DataLoader<string, Revised<ClientTextRow>[]>;
  readonly scopes: DataLoader<string, Revised<ScopeRow> | null>;
  readonly scopeTexts: DataLoader<string, Revised<ScopeTextRow>[]>;
  readonly apiResources: DataLoader<string, Revised<ApiResourceRow> | null>;
  readonly users: DataLoader<string, Revised<UserRow> | null>;
  readonly signingKeys: DataLoader<string, Revised<SigningKeyRow> | null>;
  readonly cookieKeys: DataLoader<string, Revised<CookieKeyRow> | null>;
  readonly deviceAuthorizations: DataLoader<string, Revised<DeviceAuthorizationRow> | null>;
  readonly backchannelRequests: DataLoader<string, Revised<BackchannelRequestRow> | null>;
  readonly trustedIssuers: DataLoader<string, Revised<TrustedIssuerRow> | null>;
  readonly consents: DataLoader<string, Revised<ConsentRow> | null>;
  readonly grants: DataLoader<string, Revised<GrantRow> | null>;
  readonly notices: DataLoader<string, Revised<NoticeRow> | null>;
  readonly sessions: DataLoader<string, Revised<SessionRow> | null>;
  readonly sessionClients: DataLoader<string, Revised<SessionClientRow>[]>;
  readonly tokens: DataLoader<string, Revised<TokenRow> | null>;
  /** What belongs to each of several entities, by what was asked for; see nested.ts. */
  readonly pages: Map<string, DataLoader<string, unknown>>;
  readonly initialAccessTokens: DataLoader<string, Revised<InitialAccessTokenRow> | null>;
  /** What is sealed about a person; null once they are erased. */
  readonly claims: DataLoader<Pick<UserRow, 'sub' | 'personal'>, SealedClaims | null, string>;
  readonly events: DataLoader<string, RecordedEvent[]>;
  /** One event, by its place in its stream. */
  readonly event: DataLoader<EventPlace, RecordedEvent, string>;
}

/** @param moment what was then; what is when absent */
export function loadersFor(
  { pool, store, subjectKeys }: Dependencies,
  moment: Moment | null = null,
): Loaders {
  const events = new DataLoader<string, RecordedEvent[]>((streams) =>
    Promise.all(
      streams.map(async (stream) => {
        const life = await store.read(stream);
        return moment ? life.filter(({ position }) => position <= moment.position) : life;
      }),
    ),
  );

  /** @param streamsOf the streams that write the rows with these keys */
  function all<Row extends object>(
    projection: AnyProjection,
    column: keyof Row & string,
    streamsOf: (keys: readonly string[]) => readonly string[] | Promise<readonly string[]>,
  ) {
    return new DataLoader<string, Revised<Row>[]>(
      async (keys) => {
        const rows = moment
          ? await past<Row>(projection, await streamsOf(keys), moment)
          : await readBy<Revised<Row>>(pool, projection, column, keys);
        const byKey = new Map(keys.map((key): [string, Revised<Row>[]] => [key, []]));
        for (const row of rows) byKey.get(String(row[column]))?.push(row);
        return keys.map((key) => byKey.get(key) ?? []);
      },
      { maxBatchSize: 500 },
    );
  }

  async function past<Row extends object>(
    projection: AnyProjection,
    streams: readonly string[],
    moment: Moment,
  ): Promise<Revised<Row>[]> {
    // No stream has this character in its name.
    const lives = await events.loadMany(streams.filter((stream) => !stream.includes('\0')));
    return lives.flatMap((life) => {
      if (life instanceof Error) throw life;
      return showing(rowsAfter<Row>(projection, life), moment);
    });
  }

  function one<Row extends object>(...source: Parameters<typeof all<Row>>) {
    const rows = all<Row>(...source);
    return new DataLoader<string, Revised<Row> | null>(
      async (keys) => {
        const found = await rows.loadMany(keys);
        return found.map((each) => (each instanceof Error ? each : (each[0] ?? null)));
      },
      { maxBatchSize: 500 },
    );
  }

  const of = (decider: { readonly category: string }) => (keys: readonly string[]) =>
    keys.map((key) => streamOf(decider, key));

  /** A token is told of by whatever issued it: its grant, or itself. */
  const ofTokens = (digests: readonly string[]) => linkedStreams(pool, 'token', digests);

  return {
    clients: one<ClientRow>(clients, 'client_id', of(client)),
    clientSecrets: all<ClientSecretRow>(clientSecrets, 'client_id', of(client)),
    clientTexts: all<ClientTextRow>(clientTexts, 'client_id', of(client)),
    scopes: one<ScopeRow>(scopes, 'name', of(scope)),
    scopeTexts: all<ScopeTextRow>(scopeTexts, 'name', of(scope)),
    apiResources: one<ApiResourceRow>(apiResources, 'resource_id', of(apiResource)),
    users: one<UserRow>(users, 'sub', of(user)),
    signingKeys: one<SigningKeyRow>(signingKeys, 'kid', of(signingKey)),
    cookieKeys: one<CookieKeyRow>(cookieKeys, 'key_id', of(cookieKey)),
    deviceAuthorizations: one<DeviceAuthorizationRow>(
      deviceAuthorizations,
      'digest',
      of(deviceAuthorization),
    ),
    backchannelRequests: one<BackchannelRequestRow>(
      backchannelRequests,
      'digest',
      of(backchannelRequest),
    ),
    trustedIssuers: one<TrustedIssuerRow>(trustedIssuers, 'issuer_id', of(trustedIssuer)),
    consents: one<ConsentRow>(consents, 'consent_id', of(consent)),
    grants: one<GrantRow>(grants, 'grant_id', of(grant)),
    notices: one<NoticeRow>(notices, 'notice_id', of(notice)),
    sessions: one<SessionRow>(sessions, 'uid', of(session)),
    sessionClients: all<SessionClientRow>(sessionClients, 'uid', of(session)),
    tokens: one<TokenRow>(tokens, 'digest', ofTokens),
    pages: new Map(),
    initialAccessTokens: one<InitialAccessTokenRow>(
      initialAccessTokens,
      'initial_access_token_id',
      of(initialAccessToken),
    ),
    claims: new DataLoader(
      (rows) =>
        Promise.all(
          rows.map(async ({ sub, personal }) => {
            const opened = personal && (await subjectKeys.open(sub, personal));
            return opened ? (JSON.parse(opened) as SealedClaims) : null;
          }),
        ),
      { cacheKeyFn: ({ sub }) => sub },
    ),
    events,
    event: new DataLoader(
      (places) =>
        Promise.all(
          places.map(async ({ stream, revision }) => {
            const [event] = await store.read(stream, { from: revision, limit: 1 });
            return event ?? new Error(`${stream} has no event ${revision}`);
          }),
        ),
      { cacheKeyFn: ({ stream, revision }) => `${revision} ${stream}` },
    ),
  };
}

interface EventPlace {
  readonly stream: string;
  readonly revision: number;
}
