import type {
  ApiResourceEncryption,
  ApiResourceFacts,
  ApiResourceTokenPolicy,
  AuthorizationDetailType,
} from '../domain/api-resource.ts';
import type { Instant } from '../domain/ids.ts';
import type { Projection } from './projection.ts';

export interface ApiResourceRow {
  /** SHA-256 of the identifier, as in the stream's name. */
  readonly resource_id: string;
  readonly identifier: string;
  readonly display_name: string;
  readonly token_policy: ApiResourceTokenPolicy;
  readonly authorization_detail_types: readonly AuthorizationDetailType[];
  readonly isolated: boolean;
  readonly encryption: ApiResourceEncryption | null;
  readonly created_at: Instant;
  readonly changed_at: Instant;
}

export const apiResources: Projection<ApiResourceRow, 'resource_id', ApiResourceFacts> = {
  table: 'api_resources',
  announced: true,
  key: ['resource_id'],
  columns: {
    resource_id: 'text',
    identifier: 'text not null',
    display_name: 'text not null',
    token_policy: 'jsonb not null',
    authorization_detail_types: 'jsonb not null',
    isolated: 'boolean not null',
    encryption: 'jsonb',
    created_at: 'timestamptz not null',
    changed_at: 'timestamptz not null',
  },
  indexes: ['(identifier)', '(created_at, resource_id)'],
  on: {
    ApiResourceDefined: ({ data, id, at }) => [
      {
        put: {
          resource_id: id,
          identifier: data.identifier,
          display_name: data.displayName,
          token_policy: data.tokenPolicy,
          authorization_detail_types: data.authorizationDetailTypes,
          isolated: data.isolated,
          encryption: data.encryption,
          created_at: at,
          changed_at: at,
        },
      },
    ],
    ApiResourceRenamed: ({ data, id, at }) => [
      { set: { resource_id: id, display_name: data.displayName, changed_at: at } },
    ],
    ApiResourceTokenPolicyChanged: ({ data, id, at }) => [
      { set: { resource_id: id, token_policy: data.tokenPolicy, changed_at: at } },
    ],
    ApiResourceAuthorizationDetailTypesChanged: ({ data, id, at }) => [
      {
        set: {
          resource_id: id,
          authorization_detail_types: data.authorizationDetailTypes,
          changed_at: at,
        },
      },
    ],
    ApiResourceIsolationChanged: ({ data, id, at }) => [
      { set: { resource_id: id, isolated: data.isolated, changed_at: at } },
    ],
    ApiResourceEncryptionChanged: ({ data, id, at }) => [
      { set: { resource_id: id, encryption: data.encryption, changed_at: at } },
    ],
    ApiResourceRemoved: ({ id }) => [{ drop: { resource_id: id } }],
  },
};
