import type { Instant } from '../domain/ids.ts';
import type { ScopeDefinition, ScopeFacts } from '../domain/scope.ts';
import type { Projection } from './projection.ts';

export interface ScopeRow {
  readonly name: string;
  readonly display_name: string;
  readonly description: string;
  readonly claims: readonly string[];
  readonly claim_destinations: ScopeDefinition['claimDestinations'];
  readonly resources: readonly string[];
  readonly created_at: Instant;
  readonly changed_at: Instant;
}

export const scopes: Projection<ScopeRow, 'name', ScopeFacts> = {
  table: 'scopes',
  announced: true,
  key: ['name'],
  columns: {
    name: 'text',
    display_name: 'text not null',
    description: 'text not null',
    claims: 'jsonb not null',
    claim_destinations: 'jsonb not null',
    resources: 'jsonb not null',
    created_at: 'timestamptz not null',
    changed_at: 'timestamptz not null',
  },
  indexes: ['(created_at, name)'],
  on: {
    ScopeDefined: ({ data, at }) => [
      {
        put: {
          name: data.name,
          display_name: data.displayName,
          description: data.description,
          claims: data.claims,
          claim_destinations: data.claimDestinations,
          resources: data.resources,
          created_at: at,
          changed_at: at,
        },
      },
    ],
    ScopeDescribed: ({ data, id, at }) => [
      {
        set: {
          name: id,
          display_name: data.displayName,
          description: data.description,
          changed_at: at,
        },
      },
    ],
    ScopeLocalized: ({ id, at }) => [{ set: { name: id, changed_at: at } }],
    ScopeClaimsChanged: ({ data, id, at }) => [
      { set: { name: id, claims: data.claims, changed_at: at } },
    ],
    ScopeClaimDestinationsChanged: ({ data, id, at }) => [
      { set: { name: id, claim_destinations: data.claimDestinations, changed_at: at } },
    ],
    ScopeResourcesChanged: ({ data, id, at }) => [
      { set: { name: id, resources: data.resources, changed_at: at } },
    ],
    ScopeRemoved: ({ id }) => [{ drop: { name: id } }],
  },
};

/** Texts of a scope in other languages. */
export interface ScopeTextRow {
  readonly name: string;
  readonly locale: string;
  readonly display_name: string;
  readonly description: string;
}

export const scopeTexts: Projection<
  ScopeTextRow,
  'name' | 'locale',
  Pick<ScopeFacts, 'ScopeLocalized'>
> = {
  table: 'scope_texts',
  key: ['name', 'locale'],
  columns: {
    name: 'text',
    locale: 'text',
    display_name: 'text not null',
    description: 'text not null',
  },
  on: {
    ScopeLocalized: ({ data: { locale, text }, id: name }) =>
      text
        ? [
            {
              put: { name, locale, display_name: text.displayName, description: text.description },
            },
          ]
        : [{ drop: { name, locale } }],
  },
};
