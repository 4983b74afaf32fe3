import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import {
  type ClientRegistrationInput,
  changeClientTokenPolicy,
} from '../../src/commands/clients.ts';
import { systemEnvelope } from '../../src/commands/command.ts';
import type { Wish } from '../../src/domain/decider.ts';
import {
  type GrantWishes,
  grant,
  type IssuedRefreshToken,
  MAX_LEEWAY,
} from '../../src/domain/grant.ts';
import { act } from '../../src/eventstore/execute.ts';
import { digest } from '../../src/platform/secrets.ts';
import type { Person } from '../support/admin.ts';
import { ClientApp, newBrowser } from '../support/client-app.ts';
import { eventually } from '../support/eventually.ts';
import { ENGINES, startTestServer, type TestServer } from '../support/server.ts';

const HOUR = 3_600;

describe.each(ENGINES)('what a client’s policy makes of refresh tokens, on %s', (engine) => {
  let server: TestServer;
  let person: Person;

  beforeAll(async () => {
    server = await startTestServer({ engine });
    person = await server.admin.person();
  });
  afterAll(() => server?.stop());

  /** A client with this policy, and its first refresh token. */
  async function signedIn(tokenPolicy: ClientRegistrationInput['tokenPolicy']) {
    const app = await ClientApp.connect(server, await server.admin.client({ tokenPolicy }));
    const { tokens } = await app.signIn(newBrowser(server), person);
    return { app, refreshToken: tokens.refresh_token ?? '' };
  }

  const eventsAbout = async (refreshToken: string) =>
    (await server.admin.events()).filter(
      ({ data }) => 'digest' in data && data.digest === digest(refreshToken),
    );
  const factsAbout = async (refreshToken: string) =>
    (await eventsAbout(refreshToken)).map(({ type }) => type);

  describe('reuse', () => {
    test('lets a client refresh with one token again and again', async () => {
      const { app, refreshToken } = await signedIn({ refreshTokenUsage: 'reuse' });
      const first = await app.refresh(refreshToken);
      const second = await app.refresh(refreshToken);
      expect([first.refresh_token, second.refresh_token]).toEqual([refreshToken, refreshToken]);
      expect(second.access_token).not.toBe(first.access_token);
      expect(await app.isActive(first.access_token)).toBe(true);
      expect(second.claims()?.sub).toBe(person.sub);
      expect(await factsAbout(refreshToken)).toEqual(['RefreshTokenIssued']);
    });

    test('gives everybody their own access token at the same moment', async () => {
      const { app, refreshToken } = await signedIn({ refreshTokenUsage: 'reuse' });
      const all = await Promise.all(Array.from({ length: 20 }, () => app.refresh(refreshToken)));
      expect(new Set(all.map((tokens) => tokens.access_token)).size).toBe(20);
    });

    test('ends with the token’s revocation', async () => {
      const { app, refreshToken } = await signedIn({ refreshTokenUsage: 'reuse' });
      await app.refresh(refreshToken);
      await oidc.tokenRevocation(app.config, refreshToken);
      await expect(app.refresh(refreshToken)).rejects.toMatchObject({ error: 'invalid_grant' });
    });

    test('ends with the next request once the policy is another', async () => {
      const { app, refreshToken } = await signedIn({ refreshTokenUsage: 'reuse' });
      await app.refresh(refreshToken);
      const { clientId } = app.registered;
      await server.admin.run(changeClientTokenPolicy, {
        clientId,
        tokenPolicy: { refreshTokenUsage: 'one_time' },
      });
      const { refresh_token: successor } = await app.refresh(refreshToken);
      expect(successor).not.toBe(refreshToken);
      expect(await factsAbout(refreshToken)).toEqual([
        'RefreshTokenIssued',
        'RefreshTokenRedeemed',
      ]);
    });

    test('is for a public client only with tokens bound to its key', async () => {
      const publicClient = { clientType: 'public' as const };
      await expect(
        server.admin.client({ ...publicClient, tokenPolicy: { refreshTokenUsage: 'reuse' } }),
      ).rejects.toMatchObject({ code: 'invalid' });

      const registered = await server.admin.client({
        ...publicClient,
        requirements: { dpop: true },
        tokenPolicy: { refreshTokenUsage: 'reuse' },
      });
      const app = await ClientApp.connect(server, registered);
      const DPoP = oidc.getDPoPHandle(app.config, await oidc.randomDPoPKeyPair('ES256'));
      const { tokens } = await app.signIn(newBrowser(server), person, {}, { DPoP });
      const refreshed = await app.refresh(tokens.refresh_token ?? '', {}, { DPoP });
      expect(refreshed.refresh_token).toBe(tokens.refresh_token);
    });
  });

  describe('a chain of rotations', () => {
    test('is ended by one of its tokens that was redeemed longer ago than is remembered', async () => {
      const { app, refreshToken } = await signedIn({ refreshTokenLifetime: HOUR });
      const [first] = await eventsAbout(refreshToken);
      const { stream, data } = first as { stream: string; data: IssuedRefreshToken };
      const successor = digest('its successor');
      const redeemed: Wish<GrantWishes> = {
        type: 'RedeemRefreshToken',
        data: {
          digest: data.digest,
          expiresAt: data.expiresAt,
          successor,
          now: new Date(Date.parse(data.issuedAt) - MAX_LEEWAY * 1_000).toISOString(),
          leeway: 0,
        },
      };
      const issued: Wish<GrantWishes> = {
        type: 'IssueRefreshToken',
        data: { ...data, digest: successor },
      };
      const grantId = stream.slice(`${grant.category}-`.length);
      await server.admin.execute([act(grant, grantId, [redeemed, issued])], systemEnvelope());

      await expect(app.refresh(refreshToken)).rejects.toMatchObject({ error: 'invalid_grant' });
      expect(await factsAbout(refreshToken)).toEqual([
        'RefreshTokenIssued',
        'RefreshTokenRedeemed',
        'RefreshTokenReuseDetected',
      ]);
      const last = (await server.admin.events()).at(-1);
      expect(last).toMatchObject({ stream, type: 'GrantRevoked' });
    });

    const lifetimeOf = async (app: ClientApp, refreshToken: string | undefined) => {
      const { exp = 0, iat = 0 } = await oidc.tokenIntrospection(app.config, refreshToken ?? '');
      return { exp, iat, seconds: exp - iat };
    };

    const aSecondAfter = (instant: number) =>
      eventually('a second has passed', () => Date.now() / 1000 >= instant + 1);

    test('gives each token a lifetime of its own', async () => {
      const { app, refreshToken } = await signedIn({ refreshTokenLifetime: HOUR });
      const first = await lifetimeOf(app, refreshToken);
      await aSecondAfter(first.iat);
      const { refresh_token: successor } = await app.refresh(refreshToken);
      const second = await lifetimeOf(app, successor);
      expect([first.seconds, second.seconds]).toEqual([HOUR, HOUR]);
      expect(second.exp).toBeGreaterThan(first.exp);
    });

    test('has one end for all where the policy sets one', async () => {
      const { app, refreshToken } = await signedIn({
        refreshTokenLifetime: HOUR,
        refreshTokenAbsoluteLifetime: HOUR / 2,
      });
      const first = await lifetimeOf(app, refreshToken);
      expect(first.seconds).toBe(HOUR / 2);
      await aSecondAfter(first.iat);
      const { refresh_token: successor } = await app.refresh(refreshToken);
      const second = await lifetimeOf(app, successor);
      const { refresh_token: third } = await app.refresh(successor ?? '');
      expect([second.exp, (await lifetimeOf(app, third)).exp]).toEqual([first.exp, first.exp]);
    });

    test('takes the end that the policy has when it goes on', async () => {
      const { app, refreshToken } = await signedIn({ refreshTokenLifetime: HOUR });
      const { iat } = await lifetimeOf(app, refreshToken);
      await aSecondAfter(iat);
      const { clientId } = app.registered;
      await server.admin.run(changeClientTokenPolicy, {
        clientId,
        tokenPolicy: { refreshTokenLifetime: HOUR, refreshTokenAbsoluteLifetime: 60 },
      });
      const { refresh_token: successor } = await app.refresh(refreshToken);
      expect((await lifetimeOf(app, successor)).exp).toBe(iat + 60);
    });
  });
});
