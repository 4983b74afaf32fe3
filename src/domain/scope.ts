import { type Decider, own, same } from './decider.ts';
import { relocalizations, replacements } from './declaration.ts';
import { DomainError } from './errors.ts';

export interface ScopeText {
  readonly displayName: string;
  readonly description: string;
}

/** Where a claim can be told. */
export const CLAIM_DESTINATIONS = [
  'id_token',
  'userinfo',
  'access_token',
  'introspection',
] as const;
export type ClaimDestination = (typeof CLAIM_DESTINATIONS)[number];

export interface ScopeDefinition extends ScopeText {
  readonly name: string;
  /** Claims that this scope releases (OpenID Connect Core §5.4); empty for a plain API scope. */
  readonly claims: readonly string[];
  /** Where each claim is told; one that is not named here goes where such claims go. */
  readonly claimDestinations: Readonly<Record<string, readonly ClaimDestination[]>>;
  /** Identifiers of the API resources on which this scope is a permission (RFC 8707). */
  readonly resources: readonly string[];
}

export type ScopeFacts = {
  ScopeDefined: ScopeDefinition;
  ScopeDescribed: ScopeText;
  /** Texts for one language (BCP 47); null takes the translation away. */
  ScopeLocalized: { readonly locale: string; readonly text: ScopeText | null };
  ScopeClaimsChanged: { readonly claims: readonly string[] };
  ScopeClaimDestinationsChanged: Pick<ScopeDefinition, 'claimDestinations'>;
  ScopeResourcesChanged: { readonly resources: readonly string[] };
  ScopeRemoved: Record<string, never>;
};

/** A scope as a whole, as a file or an earlier state of it says. */
export type ScopeDeclaration = Pick<ScopeState, 'localizations'> & {
  readonly definition: ScopeDefinition;
};

export type ScopeWishes = {
  DefineScope: ScopeDefinition;
  /** That it be so: defined where there is none, and what differs replaced. */
  DeclareScope: ScopeDeclaration;
  DescribeScope: ScopeText;
  LocalizeScope: ScopeFacts['ScopeLocalized'];
  ChangeScopeClaims: ScopeFacts['ScopeClaimsChanged'];
  ChangeScopeClaimDestinations: ScopeFacts['ScopeClaimDestinationsChanged'];
  ChangeScopeResources: ScopeFacts['ScopeResourcesChanged'];
  RemoveScope: Record<string, never>;
};

export interface ScopeState {
  readonly definition: ScopeDefinition | null;
  readonly localizations: Readonly<Record<string, ScopeText>>;
}

/** The facts that replace a part of the definition, each with the fields of its part. */
const PARTS = {
  ScopeDescribed: ['displayName', 'description'],
  ScopeClaimsChanged: ['claims'],
  ScopeClaimDestinationsChanged: ['claimDestinations'],
  ScopeResourcesChanged: ['resources'],
} as const satisfies { readonly [T in keyof ScopeFacts]?: readonly (keyof ScopeFacts[T])[] };

type Replaceable = (typeof PARTS)[keyof typeof PARTS][number] | 'name';

/** A field that no fact replaces is a compile error here, and the error names it. */
export const irreplaceable: never[] = [] as Exclude<keyof ScopeDefinition, Replaceable>[];

/** OpenID Connect Core §3.1.2.1: without it there is no OpenID Connect. */
const INDISPENSABLE = 'openid';

export const scope: Decider<ScopeState, ScopeWishes, ScopeFacts> = {
  category: 'scope',
  initial: { definition: null, localizations: {} },

  evolve: {
    ScopeDefined: (_, definition) => ({ definition, localizations: {} }),
    ScopeDescribed: amend,
    ScopeLocalized: (state, { locale, text }) => {
      const { [locale]: _, ...others } = state.localizations;
      return { ...state, localizations: text ? { ...others, [locale]: text } : others };
    },
    ScopeClaimsChanged: amend,
    ScopeClaimDestinationsChanged: amend,
    ScopeResourcesChanged: amend,
    ScopeRemoved: () => ({ definition: null, localizations: {} }),
  },

  decide: {
    DefineScope(definition, state) {
      if (state.definition && same(state.definition, definition)) return [];
      if (state.definition) {
        throw new DomainError('already_exists', `scope ${definition.name} exists already`, {
          field: 'name',
        });
      }
      assertReleased(definition);
      return [{ type: 'ScopeDefined', data: definition }];
    },
    DeclareScope({ definition, localizations }, state) {
      assertReleased(definition);
      return [
        ...(state.definition
          ? replacements<ScopeFacts>(PARTS, state.definition, definition)
          : [{ type: 'ScopeDefined', data: definition } as const]),
        ...relocalizations(state.localizations, localizations).map(
          (data) => ({ type: 'ScopeLocalized', data }) as const,
        ),
      ];
    },
    DescribeScope: (text, state) =>
      same({ ...present(state), ...text }, state.definition)
        ? []
        : [{ type: 'ScopeDescribed', data: text }],
    LocalizeScope(wish, state) {
      present(state);
      const known = own(state.localizations, wish.locale) ?? null;
      return same(known, wish.text) ? [] : [{ type: 'ScopeLocalized', data: wish }];
    },
    ChangeScopeClaims(wish, state) {
      const { claims, claimDestinations } = present(state);
      if (same(claims, wish.claims)) return [];
      const changed = { type: 'ScopeClaimsChanged', data: wish } as const;
      const left = Object.entries(claimDestinations).filter(([claim]) =>
        wish.claims.includes(claim),
      );
      if (left.length === Object.keys(claimDestinations).length) return [changed];
      // Released again one day, a claim must not go where its former life had it.
      const data = { claimDestinations: Object.fromEntries(left) };
      return [changed, { type: 'ScopeClaimDestinationsChanged', data }];
    },
    ChangeScopeClaimDestinations(wish, state) {
      const before = present(state);
      if (same(before.claimDestinations, wish.claimDestinations)) return [];
      assertReleased({ ...before, ...wish });
      return [{ type: 'ScopeClaimDestinationsChanged', data: wish }];
    },
    ChangeScopeResources: (wish, state) =>
      same(present(state).resources, wish.resources)
        ? []
        : [{ type: 'ScopeResourcesChanged', data: wish }],
    RemoveScope(_, state) {
      if (!state.definition) return [];
      if (state.definition.name === INDISPENSABLE) {
        throw new DomainError('invalid', 'the scope openid cannot be removed', { field: 'name' });
      }
      // Defined again, the scope must not speak with the texts of its former life.
      const ended = Object.keys(state.localizations).map(
        (locale) => ({ type: 'ScopeLocalized', data: { locale, text: null } }) as const,
      );
      return [...ended, { type: 'ScopeRemoved', data: {} }];
    },
  },
};

function amend(state: ScopeState, part: Partial<ScopeDefinition>): ScopeState {
  return { ...state, definition: { ...present(state), ...part } };
}

function present(state: ScopeState): ScopeDefinition {
  if (!state.definition) throw new DomainError('not_found', 'no such scope', { field: 'name' });
  return state.definition;
}

/** @throws DomainError `invalid` where a claim is sent somewhere that the scope does not release */
function assertReleased({ claims, claimDestinations }: ScopeDefinition): void {
  const foreign = Object.keys(claimDestinations).find((claim) => !claims.includes(claim));
  if (foreign === undefined) return;
  throw new DomainError('invalid', 'is not among the claims of the scope', {
    field: `claimDestinations.${foreign}`,
  });
}
