import type { CookieKeyFacts } from '../domain/cookie-key.ts';
import type { Instant, Sealed } from '../domain/ids.ts';
import type { Projection } from './projection.ts';

export interface CookieKeyRow {
  readonly key_id: string;
  readonly secret: Sealed;
  readonly generated_at: Instant;
  readonly activated_at: Instant | null;
  readonly retired_at: Instant | null;
}

export const cookieKeys: Projection<CookieKeyRow, 'key_id', CookieKeyFacts> = {
  table: 'cookie_keys',
  announced: true,
  key: ['key_id'],
  columns: {
    key_id: 'text',
    secret: 'text not null',
    generated_at: 'timestamptz not null',
    activated_at: 'timestamptz',
    retired_at: 'timestamptz',
  },
  on: {
    CookieKeyGenerated: ({ data, at }) => [
      {
        put: {
          key_id: data.keyId,
          secret: data.secret,
          generated_at: at,
          activated_at: null,
          retired_at: null,
        },
      },
    ],
    CookieKeyActivated: ({ data, id }) => [{ set: { key_id: id, activated_at: data.at } }],
    CookieKeyRetired: ({ data, id }) => [{ set: { key_id: id, retired_at: data.at } }],
  },
};
