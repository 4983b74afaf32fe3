import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  changeClientRedirectUris,
  registerClient,
  removeClient,
} from '../../../src/commands/clients.ts';
import type { CommandContext } from '../../../src/commands/command.ts';
import { systemEnvelope } from '../../../src/commands/command.ts';
import { exportConfiguration } from '../../../src/commands/configuration/export.ts';
import { applyConfiguration, planConfiguration } from '../../../src/commands/configuration/plan.ts';
import { restoreClient, restoreScope } from '../../../src/commands/configuration/restore.ts';
import { defineScope, describeScope, removeScope } from '../../../src/commands/scopes.ts';
import { registerUser } from '../../../src/commands/users.ts';
import { executor } from '../../../src/eventstore/execute.ts';
import { digest, Secrets } from '../../../src/platform/secrets.ts';
import { type MemoryEventStore, memoryEventStore } from '../../support/memory-event-store.ts';

const SHOP = `
# What the shop needs.
apiResources:
  - identifier: https://orders.example
    displayName: Orders
    tokenPolicy: { accessTokenFormat: jwt }

scopes:
  - name: orders
    displayName: Orders
    resources: [https://orders.example]
    localizations:
      de: { displayName: Bestellungen }

clients:
  - clientId: shop
    displayName: Shop
    clientType: confidential
    redirectUris: [https://shop.example/callback]
    permissions:
      grantTypes: [authorization_code, refresh_token]
      responseTypes: [code]
      scopes: [openid, orders]
    secrets:
      - digest: ${digest('a secret of the shop')}
        description: from the vault
`;

let store: MemoryEventStore;
let context: CommandContext;

beforeEach(() => {
  store = memoryEventStore();
  const unsealed = (_: string, text: string) => Promise.resolve(text);
  context = {
    execute: executor(store),
    store,
    secrets: new Secrets(Buffer.alloc(32)),
    subjectKeys: { seal: unsealed, open: unsealed, destroy: () => Promise.resolve() },
    signingAlgorithms: ['RS256', 'ES256'],
  };
});

const plan = (document: string) =>
  planConfiguration(context, { document }, '2026-01-01T00:00:00.000Z');
const apply = (document: string) => applyConfiguration(context, { document }, systemEnvelope());
const told = () => store.events.map(({ stream, type }) => `${stream} ${type}`);
const run = <I, R extends object>(
  command: (c: CommandContext, i: I, e: ReturnType<typeof systemEnvelope>) => Promise<R>,
  input: I,
) => command(context, input, systemEnvelope());

/** What a refusal names, field by field. */
const complaints = (refused: Promise<unknown>) =>
  refused.then(
    () => [],
    (error) =>
      (error.detail.issues as { field: string; message: string }[]).map(
        ({ field, message }) => `${field}: ${message}`,
      ),
  );

describe('a configuration', () => {
  test('is planned before it is applied, and a plan records nothing', async () => {
    const { changes } = await plan(SHOP);
    expect(changes.map(({ action, section, name }) => `${action} ${section} ${name}`)).toEqual([
      'add apiResources https://orders.example',
      'add scopes orders',
      'add clients shop',
    ]);
    expect(changes[2]?.facts).toEqual(['ClientRegistered', 'ClientSecretAdded']);
    expect(store.events).toEqual([]);
  });

  test('is applied as one act', async () => {
    await apply(SHOP);
    expect(told()).toEqual([
      `resource-${digest('https://orders.example')} ApiResourceDefined`,
      'scope-orders ScopeDefined',
      'scope-orders ScopeLocalized',
      'client-shop ClientRegistered',
      'client-shop ClientSecretAdded',
    ]);
    expect(new Set(store.events.map(({ metadata }) => metadata.$correlationId)).size).toBe(1);
    expect(store.asked).toHaveLength(1);
  });

  test('applied twice records nothing new, and its plan is empty then', async () => {
    await apply(SHOP);
    const before = told();
    expect((await plan(SHOP)).changes).toEqual([]);
    expect(await apply(SHOP)).toEqual({ changes: [], position: null });
    expect(told()).toEqual(before);
  });

  test('changes the parts that differ, each by its own fact', async () => {
    await apply(SHOP);
    const other = SHOP.replace('https://shop.example/callback', 'https://shop.example/back')
      .replace('openid, orders', 'openid')
      .replace('de: { displayName: Bestellungen }', 'fr: { displayName: Commandes }');
    const { changes } = await plan(other);
    expect(changes).toEqual([
      expect.objectContaining({ name: 'orders', facts: ['ScopeLocalized', 'ScopeLocalized'] }),
      {
        section: 'clients',
        name: 'shop',
        action: 'change',
        facts: ['ClientRedirectUrisChanged', 'ClientPermissionsChanged'],
        fields: [
          {
            field: 'redirectUris',
            before: ['https://shop.example/callback'],
            after: ['https://shop.example/back'],
          },
          expect.objectContaining({ field: 'permissions' }),
        ],
      },
    ]);
    await apply(other);
    expect((await plan(other)).changes).toEqual([]);
  });

  test('may change several parts at once that hold together only then', async () => {
    await apply(SHOP);
    const keyed = SHOP.replace(
      'clientType: confidential',
      `clientType: confidential
    authenticationMethod: private_key_jwt
    jwksUri: https://shop.example/keys`,
    );
    await apply(keyed);
    expect((await plan(keyed)).changes).toEqual([]);
  });

  test('disables and removes', async () => {
    await apply(SHOP);
    await apply(SHOP.replace('displayName: Shop', 'displayName: Shop\n    disabled: true'));
    expect(told().at(-1)).toBe('client-shop ClientDisabled');
    const { changes } = await apply('scopes: [{ name: orders, absent: true }]');
    expect(changes).toMatchObject([{ section: 'scopes', name: 'orders', action: 'remove' }]);
    expect(told().at(-1)).toBe('scope-orders ScopeRemoved');
  });

  test('gives people roles', async () => {
    await run(registerUser, { username: 'Ada', password: null, claims: {}, roles: [] });
    const document = 'operators: [{ username: ada, roles: [administrator] }]';
    await apply(document);
    expect(told().at(-1)).toMatch(/^user-usr_.* UserRolesChanged$/);
    expect((await plan(document)).changes).toEqual([]);
  });

  test('is the same in JSON', async () => {
    await apply(SHOP);
    const names = {
      apiResources: ['https://orders.example'],
      scopes: ['orders'],
      clients: ['shop'],
      trustedIssuers: [],
      operators: [],
    };
    for (const format of ['yaml', 'json'] as const) {
      const written = await exportConfiguration(context, names, format);
      expect((await plan(written)).changes).toEqual([]);
    }
    expect(() => JSON.parse('{')).toThrow();
    const json = JSON.parse(await exportConfiguration(context, names, 'json'));
    expect(json.clients[0]).toMatchObject({ clientId: 'shop', disabled: false });
  });

  test('with errors reports all of them with their lines, and changes nothing', async () => {
    const wrong = `apiResources:
  - identifier: no uri
    displayName: Orders
scopes:
  - name: orders
    displayName: Orders
    colour: red
  - name: orders
    displayName: Again
clients:
  - clientId: shop
    displayName: Shop
    clientType: confidential
    permissions:
      grantTypes: [magic]
      responseTypes: []
      scopes: []
  - clientId: reports
    displayName: Reports
    clientType: confidential
    tokenPolicy:
      lifetime: 5
operators:
  - username: nobody
    roles: [administrator]
colours: []
`;
    const found = await complaints(apply(wrong));
    expect(found).toEqual([
      expect.stringMatching(/^colours: is no section: .* \(line 26\)$/),
      expect.stringMatching(/^apiResources\.0.*\(line 2\)$/),
      'scopes.0.colour: is not known (line 7)',
      expect.stringMatching(
        /^clients\.0\.permissions\.grantTypes\.0: must be one of .*\(line 15\)$/,
      ),
      'clients.1.tokenPolicy.lifetime: is not known (line 22)',
      'operators.0.username: no such user (line 24)',
    ]);
    expect(store.events).toEqual([]);
  });

  test.each([
    ['clients: [', /line 1/],
    ['- a\n- b', /must have sections/],
    ['clients: 5', /must be a list/],
    ['clients: &a [*a]', /.+/],
    ['scopes: [{ name: a, displayName: A }, { name: a, displayName: A }]', /is declared twice/],
  ])('that is none is refused: %s', async (document, message) => {
    expect((await complaints(apply(document))).join('\n')).toMatch(message);
    expect(store.events).toEqual([]);
  });
});

describe('an entity is put back to what it was', () => {
  test('by new facts', async () => {
    await run(registerClient, {
      clientId: 'shop',
      displayName: 'Shop',
      clientType: 'confidential',
      redirectUris: ['https://shop.example/one'],
    });
    const then = store.events.at(-1)?.position ?? '';
    const redirectUris = ['https://shop.example/two'];
    await run(changeClientRedirectUris, { clientId: 'shop', redirectUris });
    await run(restoreClient, { id: 'shop', position: then });
    expect(store.events.at(-1)).toMatchObject({
      type: 'ClientRedirectUrisChanged',
      data: { redirectUris: ['https://shop.example/one'] },
    });
    expect(store.events).toHaveLength(4);
  });

  test('also one that was removed, unless it is a client', async () => {
    const texts = { displayName: 'Orders', description: '' };
    await run(defineScope, { name: 'orders', ...texts });
    const then = store.events.at(-1)?.position ?? '';
    await run(describeScope, { name: 'orders', displayName: 'Bills', description: '' });
    await run(removeScope, { name: 'orders' });
    await run(restoreScope, { id: 'orders', position: then });
    expect(store.events.at(-1)).toMatchObject({ type: 'ScopeDefined', data: texts });

    await run(registerClient, { clientId: 'a', displayName: 'A', clientType: 'confidential' });
    const registered = store.events.at(-1)?.position ?? '';
    await run(removeClient, { clientId: 'a' });
    await expect(run(restoreClient, { id: 'a', position: registered })).rejects.toMatchObject({
      code: 'removed',
    });
  });

  test('but not to a moment at which it was not there', async () => {
    await expect(run(restoreScope, { id: 'orders', position: '1' })).rejects.toMatchObject({
      code: 'not_found',
      detail: { field: 'asOf' },
    });
  });
});
