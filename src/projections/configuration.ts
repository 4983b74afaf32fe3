import type pg from 'pg';
import { READ_SCHEMA } from './apply.ts';

/** The names of everything a configuration can declare, each kind in order. */
export interface ConfiguredNames {
  readonly apiResources: readonly string[];
  readonly scopes: readonly string[];
  readonly clients: readonly string[];
  readonly trustedIssuers: readonly string[];
  /** People with a role; their names are sealed. */
  readonly operators: readonly {
    readonly sub: string;
    readonly personal: string | null;
    readonly roles: readonly string[];
  }[];
}

export async function configuredNames(pool: pg.Pool): Promise<ConfiguredNames> {
  const names = async (table: string, column: string) => {
    const { rows } = await pool.query<{ name: string }>(
      `select ${column} as name from ${READ_SCHEMA}.${table} order by ${column}`,
    );
    return rows.map(({ name }) => name);
  };
  const { rows: operators } = await pool.query<ConfiguredNames['operators'][number]>(
    `select sub, personal, roles from ${READ_SCHEMA}.users
     where roles <> '[]' and erased_at is null order by sub`,
  );
  return {
    apiResources: await names('api_resources', 'identifier'),
    scopes: await names('scopes', 'name'),
    clients: await names('clients', 'client_id'),
    trustedIssuers: await names('trusted_issuers', 'issuer'),
    operators,
  };
}
