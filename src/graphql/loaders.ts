import DataLoader from 'dataloader';
import type { SealedClaims } from '../commands/users.ts';
import type { RecordedEvent } from '../eventstore/event-store.ts';
import { type ApiResourceRow, apiResources } from '../projections/api-resources.ts';
import {
  type ClientRow,
  type ClientSecretRow,
  type ClientTextRow,
  clientSecrets,
  clients,
  clientTexts,
} from '../projections/clients.ts';
import { type Revised, readBy } from '../projections/page.ts';
import type { AnyProjection } from '../projections/projection.ts';
import { type ScopeRow, type ScopeTextRow, scopes, scopeTexts } from '../projections/scopes.ts';
import { type SigningKeyRow, signingKeys } from '../projections/signing-keys.ts';
import { type TrustedIssuerRow, trustedIssuers } from '../projections/trusted-issuers.ts';
import { type UserRow, users } from '../projections/users.ts';
import type { Dependencies } from './context.ts';

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
  readonly trustedIssuers: DataLoader<string, Revised<TrustedIssuerRow> | null>;
  /** What is sealed about a person; null once they are erased. */
  readonly claims: DataLoader<Pick<UserRow, 'sub' | 'personal'>, SealedClaims | null, string>;
  readonly events: DataLoader<string, RecordedEvent[]>;
}

export function loadersFor({ pool, store, subjectKeys }: Dependencies): Loaders {
  function all<Row extends object>(projection: Table, column: keyof Row & string) {
    return new DataLoader<string, Revised<Row>[]>(
      async (keys) => {
        const rows = await readBy<Revised<Row>>(pool, projection, column, keys);
        const byKey = new Map(keys.map((key): [string, Revised<Row>[]] => [key, []]));
        for (const row of rows) byKey.get(String(row[column]))?.push(row);
        return keys.map((key) => byKey.get(key) ?? []);
      },
      { maxBatchSize: 500 },
    );
  }

  function one<Row extends object>(projection: Table, column: keyof Row & string) {
    const rows = all<Row>(projection, column);
    return new DataLoader<string, Revised<Row> | null>(
      async (keys) => {
        const found = await rows.loadMany(keys);
        return found.map((each) => (each instanceof Error ? each : (each[0] ?? null)));
      },
      { maxBatchSize: 500 },
    );
  }

  return {
    clients: one<ClientRow>(clients, 'client_id'),
    clientSecrets: all<ClientSecretRow>(clientSecrets, 'client_id'),
    clientTexts: all<ClientTextRow>(clientTexts, 'client_id'),
    scopes: one<ScopeRow>(scopes, 'name'),
    scopeTexts: all<ScopeTextRow>(scopeTexts, 'name'),
    apiResources: one<ApiResourceRow>(apiResources, 'resource_id'),
    users: one<UserRow>(users, 'sub'),
    signingKeys: one<SigningKeyRow>(signingKeys, 'kid'),
    trustedIssuers: one<TrustedIssuerRow>(trustedIssuers, 'issuer_id'),
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
    events: new DataLoader((streams) => Promise.all(streams.map((stream) => store.read(stream)))),
  };
}

type Table = Pick<AnyProjection, 'table' | 'key'>;
