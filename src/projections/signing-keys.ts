import type { Instant, Sealed } from '../domain/ids.ts';
import type { SigningKeyFacts } from '../domain/signing-key.ts';
import type { Projection } from './projection.ts';

export interface SigningKeyRow {
  readonly kid: string;
  readonly alg: string;
  readonly public_jwk: Readonly<Record<string, unknown>>;
  readonly private_jwk: Sealed;
  readonly generated_at: Instant;
  readonly activated_at: Instant | null;
  readonly retired_at: Instant | null;
}

export const signingKeys: Projection<SigningKeyRow, 'kid', SigningKeyFacts> = {
  table: 'signing_keys',
  announced: true,
  key: ['kid'],
  columns: {
    kid: 'text',
    alg: 'text not null',
    public_jwk: 'jsonb not null',
    private_jwk: 'text not null',
    generated_at: 'timestamptz not null',
    activated_at: 'timestamptz',
    retired_at: 'timestamptz',
  },
  on: {
    SigningKeyGenerated: ({ data, at }) => [
      {
        put: {
          kid: data.kid,
          alg: data.alg,
          public_jwk: data.publicJwk,
          private_jwk: data.privateJwk,
          generated_at: at,
          activated_at: null,
          retired_at: null,
        },
      },
    ],
    SigningKeyActivated: ({ data, id }) => [{ set: { kid: id, activated_at: data.at } }],
    SigningKeyRetired: ({ data, id }) => [{ set: { kid: id, retired_at: data.at } }],
  },
};
