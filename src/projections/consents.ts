import type { ConsentFacts, ConsentTerms } from '../domain/consent.ts';
import type { Instant } from '../domain/ids.ts';
import type { Projection, Told } from './projection.ts';

/** What a person allows a client, lastingly; a withdrawn consent keeps its row. */
export interface ConsentRow {
  /** `<sub>.<client_id>`, as in the stream's name. */
  readonly consent_id: string;
  readonly sub: string;
  readonly client_id: string;
  readonly scopes: readonly string[];
  readonly claims: readonly string[];
  readonly resources: Readonly<Record<string, readonly string[]>>;
  readonly granted_at: Instant;
  readonly withdrawn_at: Instant | null;
}

export const consents: Projection<ConsentRow, 'consent_id', ConsentFacts> = {
  table: 'consents',
  key: ['consent_id'],
  columns: {
    consent_id: 'text',
    sub: 'text not null',
    client_id: 'text not null',
    scopes: 'jsonb not null',
    claims: 'jsonb not null',
    resources: 'jsonb not null',
    granted_at: 'timestamptz not null',
    withdrawn_at: 'timestamptz',
  },
  indexes: [
    '(sub)',
    '(client_id)',
    '(granted_at, consent_id)',
    '(withdrawn_at) where withdrawn_at is not null',
  ],
  on: {
    ConsentGranted: given,
    ConsentRenewed: given,
    ConsentWithdrawn: ({ id, at }) => [{ set: { consent_id: id, withdrawn_at: at } }],
  },
};

function given({ data, id, at }: Told<ConsentTerms>) {
  return [
    {
      put: {
        consent_id: id,
        sub: data.sub,
        client_id: data.clientId,
        scopes: data.scopes,
        claims: data.claims,
        resources: data.resources,
        granted_at: at,
        withdrawn_at: null,
      },
    },
  ];
}
