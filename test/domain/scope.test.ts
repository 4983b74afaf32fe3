import { describe, test } from '@jest/globals';
import { type ScopeDefinition, type ScopeText, scope } from '../../src/domain/scope.ts';
import { given } from '../support/decider-spec.ts';

const orders: ScopeDefinition = {
  name: 'orders',
  displayName: 'Orders',
  description: 'See what you ordered',
  claims: [],
  claimDestinations: {},
  resources: ['https://api.example'],
};
const openid: ScopeDefinition = { ...orders, name: 'openid', claims: ['sub'], resources: [] };
const define = (data: ScopeDefinition) => ({ type: 'DefineScope', data }) as const;
const defined = (data: ScopeDefinition) => ({ type: 'ScopeDefined', data }) as const;
const remove = { type: 'RemoveScope', data: {} } as const;
const removed = { type: 'ScopeRemoved', data: {} } as const;

const german: ScopeText = { displayName: 'Bestellungen', description: 'Ihre Bestellungen sehen' };
const localize = (locale: string, text: ScopeText | null) =>
  ({ type: 'LocalizeScope', data: { locale, text } }) as const;
const localized = (locale: string, text: ScopeText | null) =>
  ({ type: 'ScopeLocalized', data: { locale, text } }) as const;

const words = { displayName: 'Your orders', description: 'See your orders' };
const describeIt = { type: 'DescribeScope', data: words } as const;
const described = { type: 'ScopeDescribed', data: words } as const;
const changeClaims = { type: 'ChangeScopeClaims', data: { claims: ['order_count'] } } as const;
const claimsChanged = { type: 'ScopeClaimsChanged', data: { claims: ['order_count'] } } as const;
const changeResources = { type: 'ChangeScopeResources', data: { resources: [] } } as const;
const resourcesChanged = { type: 'ScopeResourcesChanged', data: { resources: [] } } as const;

describe('defining', () => {
  test('a scope is recorded once', () => {
    given(scope).when(define(orders)).then(defined(orders));
    given(scope, defined(orders)).when(define(orders)).thenNothing();
  });

  test('another under the same name is refused', () => {
    given(scope, defined(orders))
      .when(define({ ...orders, claims: ['email'] }))
      .thenRefused('already_exists', { field: 'name' });
  });

  test('a removed name is free again', () => {
    given(scope, defined(orders), removed).when(define(orders)).then(defined(orders));
  });
});

describe.each([
  { wish: describeIt, fact: described },
  { wish: changeClaims, fact: claimsChanged },
  { wish: changeResources, fact: resourcesChanged },
  { wish: localize('de', german), fact: localized('de', german) },
])('$wish.type', ({ wish, fact }) => {
  test('is recorded once', () => {
    given(scope, defined(orders)).when(wish).then(fact);
    given(scope, defined(orders), fact).when(wish).thenNothing();
  });

  test('needs a scope', () => {
    given(scope).when(wish).thenRefused('not_found', { field: 'name' });
    given(scope, defined(orders), removed).when(wish).thenRefused('not_found', { field: 'name' });
  });
});

describe('where claims are told', () => {
  const send = (claimDestinations: ScopeDefinition['claimDestinations']) =>
    ({ type: 'ChangeScopeClaimDestinations', data: { claimDestinations } }) as const;
  const sent = (claimDestinations: ScopeDefinition['claimDestinations']) =>
    ({ type: 'ScopeClaimDestinationsChanged', data: { claimDestinations } }) as const;
  const destinations = { order_count: ['access_token'] } as const;

  test('is recorded once, of claims that the scope has', () => {
    given(scope, defined(orders), claimsChanged).when(send(destinations)).then(sent(destinations));
    given(scope, defined(orders), claimsChanged, sent(destinations))
      .when(send(destinations))
      .thenNothing();
    given(scope, defined(orders))
      .when(send(destinations))
      .thenRefused('invalid', { field: 'claimDestinations.order_count' });
  });

  test('goes with the claim', () => {
    given(scope, defined(orders), claimsChanged, sent(destinations))
      .when({ type: 'ChangeScopeClaims', data: { claims: [] } })
      .then({ type: 'ScopeClaimsChanged', data: { claims: [] } }, sent({}));
  });

  test('needs a scope', () => {
    given(scope).when(send({})).thenRefused('not_found', { field: 'name' });
  });
});

test('each change keeps what the others changed', () => {
  given(scope, defined(orders), described, claimsChanged, resourcesChanged, localized('de', german))
    .when(define({ ...orders, ...words, claims: ['order_count'], resources: [] }))
    .thenNothing();
});

describe('translations', () => {
  const french = { ...german, displayName: 'Commandes' };

  test('live side by side, and change one at a time', () => {
    given(scope, defined(orders), localized('de', german))
      .when(localize('fr', french))
      .then(localized('fr', french));
    given(scope, defined(orders), localized('de', german), localized('fr', french))
      .when(localize('de', german))
      .thenNothing();
    given(scope, defined(orders), localized('de', german))
      .when(localize('de', french))
      .then(localized('de', french));
  });

  test('outlive a change of the scope', () => {
    given(scope, defined(orders), localized('de', german), described)
      .when(localize('de', german))
      .thenNothing();
  });

  test('are taken away once', () => {
    given(scope, defined(orders), localized('de', german))
      .when(localize('de', null))
      .then(localized('de', null));
    given(scope, defined(orders), localized('de', german), localized('de', null))
      .when(localize('de', null))
      .thenNothing();
    given(scope, defined(orders), localized('de', german), localized('fr', french))
      .when(localize('fr', null))
      .then(localized('fr', null));
  });

  test.each(['fr', 'toString', '__proto__'])(
    'there was none for %s, so there is none to take away',
    (locale) => {
      given(scope, defined(orders), localized('de', german))
        .when(localize(locale, null))
        .thenNothing();
    },
  );

  test('end with their scope, by name, and do not come back with its next life', () => {
    given(scope, defined(orders), localized('de', german), localized('fr', french))
      .when(remove)
      .then(localized('de', null), localized('fr', null), removed);
    given(scope, defined(orders), localized('de', german), removed, defined(orders))
      .when(localize('de', german))
      .then(localized('de', german));
  });
});

describe('removing', () => {
  test('is recorded once', () => {
    given(scope, defined(orders)).when(remove).then(removed);
    given(scope, defined(orders), removed).when(remove).thenNothing();
    given(scope).when(remove).thenNothing();
  });

  test('openid is refused: there is no OpenID Connect without it', () => {
    given(scope, defined(openid)).when(remove).thenRefused('invalid', { field: 'name' });
  });
});
