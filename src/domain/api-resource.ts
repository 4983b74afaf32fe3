import type { TokenFormat } from './client.ts';
import type { Decider } from './decider.ts';
import { same } from './decider.ts';
import { replacements } from './declaration.ts';
import {
  type EncryptionAlgorithm,
  type EncryptionMethod,
  encryptionKey,
  type KeySet,
} from './encryption.ts';
import { DomainError } from './errors.ts';
import type { Sealed } from './ids.ts';
import type { SigningAlgorithm } from './signing-key.ts';

/** How access tokens for a resource are made; null leaves the choice to the client or the server. */
export interface ApiResourceTokenPolicy {
  readonly accessTokenFormat: TokenFormat | null;
  /** What JWTs are signed with. */
  readonly accessTokenSigningAlg: SigningAlgorithm | null;
  /** Seconds. */
  readonly accessTokenLifetime: number | null;
}

/** A kind of authorization details (RFC 9396 §2) that a resource understands. */
export interface AuthorizationDetailType {
  /** The value of `type`. */
  readonly type: string;
  /** What people see it called when they are asked. */
  readonly displayName: string;
  /** The JSON Schema that details of the type meet; null for any. */
  readonly schema: Readonly<Record<string, unknown>> | null;
}

/** How JWT access tokens for a resource are encrypted, after they were signed. */
export interface ApiResourceEncryption {
  /** `dir`: under a secret that the resource shares with this server. */
  readonly alg: EncryptionAlgorithm | 'dir';
  readonly enc: EncryptionMethod;
  /** Public keys of the resource, one of which suits the algorithm; null with a secret. */
  readonly jwks: KeySet | null;
  readonly secret: Sealed | null;
}

export interface ApiResourceDefinition {
  /** The resource indicator and audience (RFC 8707): an absolute URI without fragment. */
  readonly identifier: string;
  readonly displayName: string;
  readonly tokenPolicy: ApiResourceTokenPolicy;
  readonly authorizationDetailTypes: readonly AuthorizationDetailType[];
  /** It is named by `resource` (RFC 8707) or gets no token, and has none in common with another. */
  readonly isolated: boolean;
  readonly encryption: ApiResourceEncryption | null;
}

export type ApiResourceFacts = {
  ApiResourceDefined: ApiResourceDefinition;
  ApiResourceRenamed: { readonly displayName: string };
  ApiResourceTokenPolicyChanged: { readonly tokenPolicy: ApiResourceTokenPolicy };
  ApiResourceAuthorizationDetailTypesChanged: Pick<
    ApiResourceDefinition,
    'authorizationDetailTypes'
  >;
  ApiResourceIsolationChanged: Pick<ApiResourceDefinition, 'isolated'>;
  ApiResourceEncryptionChanged: Pick<ApiResourceDefinition, 'encryption'>;
  ApiResourceRemoved: Record<string, never>;
};

export type ApiResourceWishes = {
  DefineApiResource: ApiResourceDefinition;
  /** That it be so: defined where there is none, and what differs replaced; how it is encrypted stays. */
  DeclareApiResource: Omit<ApiResourceDefinition, 'encryption'>;
  RenameApiResource: { readonly displayName: string };
  ChangeApiResourceTokenPolicy: { readonly tokenPolicy: ApiResourceTokenPolicy };
  ChangeApiResourceAuthorizationDetailTypes: ApiResourceFacts['ApiResourceAuthorizationDetailTypesChanged'];
  ChangeApiResourceIsolation: ApiResourceFacts['ApiResourceIsolationChanged'];
  ChangeApiResourceEncryption: ApiResourceFacts['ApiResourceEncryptionChanged'];
  RemoveApiResource: Record<string, never>;
};

export interface ApiResourceState {
  readonly definition: ApiResourceDefinition | null;
}

/** The facts that replace a part of the definition, each with the fields of its part. */
const PARTS = {
  ApiResourceRenamed: ['displayName'],
  ApiResourceTokenPolicyChanged: ['tokenPolicy'],
  ApiResourceAuthorizationDetailTypesChanged: ['authorizationDetailTypes'],
  ApiResourceIsolationChanged: ['isolated'],
} as const satisfies {
  readonly [T in keyof ApiResourceFacts]?: readonly (keyof ApiResourceFacts[T])[];
};

type Replaceable = (typeof PARTS)[keyof typeof PARTS][number] | 'identifier' | 'encryption';

/** A field that no fact replaces is a compile error here, and the error names it. */
export const irreplaceable: never[] = [] as Exclude<keyof ApiResourceDefinition, Replaceable>[];

/** Streams are named by the SHA-256 of the identifier: `resource-<hash>`. */
export const apiResource: Decider<ApiResourceState, ApiResourceWishes, ApiResourceFacts> = {
  category: 'resource',
  initial: { definition: null },

  evolve: {
    ApiResourceDefined: (_, definition) => ({ definition }),
    ApiResourceRenamed: amend,
    ApiResourceTokenPolicyChanged: amend,
    ApiResourceAuthorizationDetailTypesChanged: amend,
    ApiResourceIsolationChanged: amend,
    ApiResourceEncryptionChanged: amend,
    ApiResourceRemoved: () => ({ definition: null }),
  },

  decide: {
    DefineApiResource(definition, state) {
      if (state.definition && same(state.definition, definition)) return [];
      if (state.definition) {
        throw new DomainError(
          'already_exists',
          `API resource ${definition.identifier} exists already`,
          {
            field: 'identifier',
          },
        );
      }
      return [{ type: 'ApiResourceDefined', data: definition }];
    },
    DeclareApiResource: (definition, state) =>
      state.definition
        ? replacements<ApiResourceFacts>(PARTS, state.definition, definition)
        : [{ type: 'ApiResourceDefined', data: { ...definition, encryption: null } }],
    RenameApiResource: (wish, state) =>
      present(state).displayName === wish.displayName
        ? []
        : [{ type: 'ApiResourceRenamed', data: wish }],
    ChangeApiResourceTokenPolicy: (wish, state) =>
      same(present(state).tokenPolicy, wish.tokenPolicy)
        ? []
        : [{ type: 'ApiResourceTokenPolicyChanged', data: wish }],
    ChangeApiResourceAuthorizationDetailTypes: (wish, state) =>
      same(present(state).authorizationDetailTypes, wish.authorizationDetailTypes)
        ? []
        : [{ type: 'ApiResourceAuthorizationDetailTypesChanged', data: wish }],
    ChangeApiResourceIsolation: (wish, state) =>
      present(state).isolated === wish.isolated
        ? []
        : [{ type: 'ApiResourceIsolationChanged', data: wish }],
    ChangeApiResourceEncryption(wish, state) {
      if (same(present(state).encryption, wish.encryption)) return [];
      const { alg, jwks } = wish.encryption ?? { alg: 'dir', jwks: null };
      if (alg !== 'dir' && !encryptionKey(jwks, alg)) {
        throw new DomainError('invalid', 'there is no key for the algorithm among them', {
          field: 'encryption.jwks',
        });
      }
      return [{ type: 'ApiResourceEncryptionChanged', data: wish }];
    },
    RemoveApiResource: (_, state) =>
      state.definition ? [{ type: 'ApiResourceRemoved', data: {} }] : [],
  },
};

function amend(state: ApiResourceState, part: Partial<ApiResourceDefinition>): ApiResourceState {
  return { definition: { ...present(state), ...part } };
}

function present(state: ApiResourceState): ApiResourceDefinition {
  if (!state.definition)
    throw new DomainError('not_found', 'no such API resource', { field: 'identifier' });
  return state.definition;
}
