import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { type ClientRegistrationInput, registerClient } from '../../src/commands/clients.ts';
import type { Command, CommandContext } from '../../src/commands/command.ts';
import { systemEnvelope } from '../../src/commands/command.ts';
import { registerUser, type UserClaims } from '../../src/commands/users.ts';
import { SIGNING_ALGORITHMS } from '../../src/domain/signing-key.ts';
import type { EventStore, Position, RecordedEvent } from '../../src/eventstore/event-store.ts';
import { eventStoreDb } from '../../src/eventstore/eventstoredb.ts';
import { type Execute, executor } from '../../src/eventstore/execute.ts';
import { postgresEventStore } from '../../src/eventstore/postgres.ts';
import { writeState } from '../../src/eventstore/postgres-schema.ts';
import { connectPostgres } from '../../src/platform/postgres.ts';
import { Secrets } from '../../src/platform/secrets.ts';
import { SubjectKeys } from '../../src/platform/subject-keys.ts';
import { inlineProjection, READ_SCHEMA } from '../../src/projections/apply.ts';
import { protocolReadModels } from '../../src/projections/index.ts';
import { projectionProgress } from '../../src/projections/projector.ts';
import type { TestDatabase } from './postgres.ts';

const PROJECTION_WAIT_MS = 5_000;

/** Where the clients of the tests are called back; nothing listens there. */
export const REDIRECT_URI = 'https://app.example/callback';
export const POST_LOGOUT_REDIRECT_URI = 'https://app.example/signed-out';

export interface Person {
  readonly sub: string;
  readonly username: string;
  readonly password: string;
  readonly claims: UserClaims;
}

export interface RegisteredClient {
  readonly clientId: string;
  /** Empty for a client without one. */
  readonly secret: string;
}

/** What an administrator can do, done in the test's own process on the servers' log. */
export interface Admin {
  readonly pool: pg.Pool;
  readonly store: EventStore;
  readonly execute: Execute;
  /** Runs a command; it can be seen in the read models when this resolves. */
  run<Input, Result extends object>(
    command: Command<Input, Result>,
    input: NoInfer<Input>,
  ): Promise<Result>;
  /** A confidential web client that may do everything, unless told otherwise. */
  client(input?: Partial<ClientRegistrationInput>): Promise<RegisteredClient>;
  person(claims?: UserClaims): Promise<Person>;
  /** The log, from its beginning or after a position. */
  events(after?: Position): Promise<RecordedEvent[]>;
  close(): Promise<void>;
}

export function openAdmin(options: {
  database: TestDatabase;
  eventStoreUrl: string | undefined;
  masterKey: Buffer;
}): Admin {
  const pool = connectPostgres(options.database.connection);
  const closing = new AbortController();
  const store = openStore(pool, options.eventStoreUrl, closing.signal);
  const secrets = new Secrets(options.masterKey);
  const context: CommandContext = {
    execute: executor(store),
    store,
    secrets,
    subjectKeys: new SubjectKeys(pool, secrets),
    signingAlgorithms: SIGNING_ALGORITHMS,
  };

  return {
    pool,
    store,
    execute: context.execute,
    run: (command, input) => command(context, input, systemEnvelope()),

    async client(input) {
      const { clientId, secret } = await registerClient(
        context,
        {
          displayName: 'Test application',
          clientType: 'confidential',
          redirectUris: [REDIRECT_URI],
          postLogoutRedirectUris: [POST_LOGOUT_REDIRECT_URI],
          permissions: {
            grantTypes:
              input?.clientType === 'public'
                ? ['authorization_code', 'refresh_token']
                : ['authorization_code', 'refresh_token', 'client_credentials'],
            responseTypes: ['code'],
            scopes: ['*'],
          },
          ...input,
        },
        systemEnvelope(),
      );
      return { clientId, secret: secret ?? '' };
    },

    async person(given) {
      const username = `person-${randomBytes(6).toString('hex')}`;
      const password = randomBytes(18).toString('base64url');
      const claims = given ?? { name: 'Ada Byron', email: `${username}@mail.example` };
      const { sub } = await registerUser(context, { username, password, claims }, systemEnvelope());
      return { sub, username, password, claims };
    },

    async events(after) {
      const all: RecordedEvent[] = [];
      const enough = new AbortController();
      for await (const batch of store.subscribe({ after, signal: enough.signal })) {
        if (batch.length === 0) break;
        all.push(...batch);
      }
      enough.abort();
      return all;
    },

    async close() {
      closing.abort();
      await store.close();
      await pool.end();
    },
  };
}

function openStore(pool: pg.Pool, url: string | undefined, signal: AbortSignal): EventStore {
  if (!url) return postgresEventStore({ pool, inline: inlineProjection(protocolReadModels) });
  const projected = projectionProgress(pool, READ_SCHEMA, signal);
  return eventStoreDb({
    url,
    writeState: (changes) => writeState(pool, changes),
    projected: async (position) => {
      if (!(await projected(position, PROJECTION_WAIT_MS))) {
        throw new Error(`position ${position} has not been projected`);
      }
      return true;
    },
  });
}
