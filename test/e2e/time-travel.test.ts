import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { systemEnvelope } from '../../src/commands/command.ts';
import type { BackchannelRequestState } from '../../src/domain/backchannel-request.ts';
import type { ClientState } from '../../src/domain/client.ts';
import type { CookieKeyState } from '../../src/domain/cookie-key.ts';
import { fold, streamOf } from '../../src/domain/decider.ts';
import type { DeviceAuthorizationState } from '../../src/domain/device-authorization.ts';
import { DomainError } from '../../src/domain/errors.ts';
import type { GrantState } from '../../src/domain/grant.ts';
import type { InitialAccessTokenState } from '../../src/domain/initial-access-token.ts';
import type { SessionState } from '../../src/domain/session.ts';
import type { SigningKeyState } from '../../src/domain/signing-key.ts';
import type { TrustedIssuerState } from '../../src/domain/trusted-issuer.ts';
import type { UserState } from '../../src/domain/user.ts';
import type { RecordedEvent } from '../../src/eventstore/event-store.ts';
import { act } from '../../src/eventstore/execute.ts';
import { READ_SCHEMA } from '../../src/projections/apply.ts';
import { type AdminApi, adminApi } from '../support/admin-api.ts';
import { deciderOf, type EntityName, type Step, steps } from '../support/arbitraries.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

// biome-ignore lint/suspicious/noExplicitAny: what comes back is whatever the test asked for
type Data = any;

/** What is asked of an entity, and what its state must say of that; null where there is none. */
interface Kind {
  readonly type: string;
  readonly fields: string;
  readonly of: (state: never, when: (fact: string) => unknown) => object | null;
}

const kinds: Partial<Record<EntityName, Kind>> = {
  client: {
    type: 'Client',
    fields: 'displayName redirectUris disabled secrets { secretId description }',
    of: ({ registration, status, secrets }: ClientState) =>
      registration && status !== 'removed'
        ? {
            displayName: registration.displayName,
            redirectUris: registration.redirectUris,
            disabled: status === 'disabled',
            secrets: sorted(
              secrets.map(({ secretId, description }) => ({ secretId, description })),
            ),
          }
        : null,
  },
  user: {
    type: 'User',
    fields: 'roles disabled',
    of: ({ status, roles }: UserState) =>
      status === 'none' ? null : { roles, disabled: status !== 'enabled' },
  },
  session: {
    type: 'Session',
    fields: 'endedAt',
    of: ({ status }: SessionState) =>
      status === 'none' ? null : { endedAt: status === 'ended' ? expect.anything() : null },
  },
  grant: {
    type: 'Grant',
    fields: 'scopes revokedAt',
    of: ({ status, terms }: GrantState) =>
      terms && {
        scopes: terms.scopes,
        revokedAt: status === 'revoked' ? expect.anything() : null,
      },
  },
  deviceAuthorization: {
    type: 'DeviceAuthorization',
    fields: 'requestId expiresAt enteredAt approvedAt deniedAt redeemedAt',
    of: ({ status, expiresAt }: DeviceAuthorizationState, when) =>
      status === 'none'
        ? null
        : {
            requestId: expect.any(String),
            expiresAt,
            enteredAt: when('DeviceUserCodeEntered'),
            approvedAt: when('DeviceAuthorizationApproved'),
            deniedAt: when('DeviceAuthorizationDenied'),
            redeemedAt: when('DeviceCodeRedeemed'),
          },
  },
  backchannelRequest: {
    type: 'BackchannelRequest',
    fields: 'clientId sub scopes expiresAt approvedAt deniedAt redeemedAt',
    of: ({ request }: BackchannelRequestState, when) =>
      request && {
        clientId: request.clientId,
        sub: request.sub,
        scopes: request.scopes,
        expiresAt: request.expiresAt,
        approvedAt: when('BackchannelAuthenticationApproved'),
        deniedAt: when('BackchannelAuthenticationDenied'),
        redeemedAt: when('BackchannelRequestRedeemed'),
      },
  },
  initialAccessToken: {
    type: 'InitialAccessToken',
    fields: 'description quota uses revokedAt',
    of: ({ token, clientIds, revoked }: InitialAccessTokenState) =>
      token && {
        description: token.description,
        quota: token.quota,
        uses: clientIds.length,
        revokedAt: revoked ? expect.anything() : null,
      },
  },
  trustedIssuer: {
    type: 'TrustedIssuer',
    fields: 'issuer displayName clientIds scopes',
    of: ({ trusted }: TrustedIssuerState) =>
      trusted && {
        issuer: trusted.issuer,
        displayName: trusted.displayName,
        clientIds: trusted.clientIds,
        scopes: trusted.scopes,
      },
  },
  signingKey: {
    type: 'SigningKey',
    fields: 'status activatedAt retiredAt',
    of: ({ status }: SigningKeyState, when) =>
      status === 'none'
        ? null
        : {
            status: status.toUpperCase(),
            activatedAt: when('SigningKeyActivated'),
            retiredAt: when('SigningKeyRetired'),
          },
  },
  cookieKey: {
    type: 'CookieKey',
    fields: 'activatedAt retiredAt',
    of: ({ status }: CookieKeyState, when) =>
      status === 'none'
        ? null
        : { activatedAt: when('CookieKeyActivated'), retiredAt: when('CookieKeyRetired') },
  },
};

/** A life of one entity with an id of its own, and two moments of it. */
const livesOf = (name: EntityName) =>
  fc.noShrink(
    fc.constant(null).chain(() => {
      const id = `life-${randomUUID()}`;
      return fc.record({
        id: fc.constant(id),
        wishes: steps([[name, id]], 12),
        moments: fc.tuple(fc.nat(20), fc.nat(20)),
      });
    }),
  );

describe.each(ENGINES)('of a random life, on %s,', (engine) => {
  let server: TestServer;
  let api: AdminApi;
  /** Of the server's own keys, for it has to serve with those that are made up. */
  let real: Readonly<Record<string, object>>;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    api = await adminApi(server);
    const { rows } = await server.admin.pool.query(
      `select s.alg, s.public_jwk as "publicJwk", s.private_jwk as "privateJwk", c.secret
       from ${READ_SCHEMA}.signing_keys s, ${READ_SCHEMA}.cookie_keys c limit 1`,
    );
    const { secret, ...pair } = rows[0];
    real = { GenerateSigningKey: pair, GenerateCookieKey: { secret } };
  });
  afterAll(() => server?.stop());

  /** What happens when the wishes are put; what is refused is part of life. */
  async function live(wishes: readonly Step[], name: EntityName, id: string) {
    for (const { wish } of wishes) {
      try {
        const { type, data } = wish;
        const possible = { type, data: { ...data, ...real[type] } };
        await server.admin.execute([act(deciderOf(name), id, [possible])], systemEnvelope());
      } catch (error) {
        if (!(error instanceof DomainError)) throw error;
      }
    }
    return server.admin.store.read(streamOf(deciderOf(name), id));
  }

  async function ask(kind: Kind, id: string, from: string, to: string): Promise<Data> {
    const node = Buffer.from(`${kind.type}:${id}`).toString('base64url');
    return api.call(
      `query ($id: ID!, $from: AsOf!, $to: AsOf!, $nothing: AsOf!) { node(id: $id, asOf: $to) {
         asOf { position } ... on ${kind.type} { version ${kind.fields} }
         diff(from: $from, to: $to) { events changes { field before after } }
         whole: diff(from: $nothing, to: $to) { changes { field after } }
         blame { field value event { version changes { field after } } } } }`,
      {
        id: node,
        from: { position: from },
        to: { position: to },
        nothing: { position: '0' },
      },
    );
  }

  const names = Object.keys(kinds) as EntityName[];

  test.each(names)(
    'of a %s, the past, differences and blame are what its events fold to',
    async (name) => {
      const kind = kinds[name] as Kind;
      let asked = 0;
      await fc.assert(
        fc.asyncProperty(livesOf(name), async ({ id, wishes, moments }) => {
          const events = await live(wishes, name, id);
          if (events.length === 0) return;
          const [early, late] = moments
            .map((moment) => moment % events.length)
            .sort((a, b) => a - b) as [number, number];
          const [from, to] = [events[early], events[late]] as [RecordedEvent, RecordedEvent];
          const then = events.slice(0, late + 1);
          const state = fold(deciderOf(name), then);
          const node = await ask(kind, id, from.position, to.position);
          const when = (fact: string) => {
            const event = then.find(({ type }) => type === fact);
            return event ? (event.data as { at: string }).at : null;
          };
          const expected = kind.of(state as never, when);
          if (!expected) {
            expect(node).toBeNull();
            return;
          }
          asked++;
          const { asOf, version, diff, whole, blame, ...shown } = node;
          expect(shown).toEqual(expected);
          expect(asOf.position).toBe(to.position);
          expect(version).toBeLessThanOrEqual(late + 1);

          expect(diff.events).toBe(late - early);
          const whatIs = (changes: Data[]) =>
            Object.fromEntries(changes.map(({ field, after }) => [field, after]));
          const all = whatIs(whole.changes);
          // Whatever is different now is as the whole tells it, and blamed on something since.
          for (const { field, after } of diff.changes) expect(all[field] ?? null).toEqual(after);
          const blamed = Object.fromEntries(blame.map((each: Data) => [each.field, each]));
          for (const [field, after] of Object.entries(all)) {
            expect(blamed[field].value).toEqual(after);
          }
          for (const { field } of diff.changes) {
            expect(blamed[field].event.version).toBeGreaterThan(early + 1);
          }
          for (const { field, value, event } of blame) {
            expect(event.version).toBeLessThanOrEqual(late + 1);
            expect(whatIs(event.changes)[field]).toEqual(value);
          }
        }),
        { numRuns: 6 },
      );
      expect(asked).toBeGreaterThan(0);
    },
  );
});

function sorted<T extends { secretId: string }>(secrets: readonly T[]): T[] {
  return [...secrets].sort((a, b) => (a.secretId < b.secretId ? -1 : 1));
}
