import type pg from 'pg';
import { keysSql } from './apply.ts';
import type { AnyProjection } from './projection.ts';

/** A row that is in one of two copies of a read model, or not the same in both. */
export interface Divergence {
  readonly table: string;
  readonly key: Readonly<Record<string, unknown>>;
  /** null: it is not there. */
  readonly found: Readonly<Record<string, unknown>> | null;
  readonly expected: Readonly<Record<string, unknown>> | null;
}

/** In a word what is wrong with a row, and in which columns: what is in them may be nobody's business. */
export function differenceOf({ found, expected }: Pick<Divergence, 'found' | 'expected'>): {
  readonly what: 'missing' | 'unexpected' | 'different';
  readonly columns: readonly string[];
} {
  if (!found) return { what: 'missing', columns: [] };
  if (!expected) return { what: 'unexpected', columns: [] };
  const differs = (column: string) =>
    JSON.stringify(found[column]) !== JSON.stringify(expected[column]);
  return { what: 'different', columns: Object.keys(found).filter(differs) };
}

/** The schemas of the two copies. */
export interface Sides {
  readonly found: string;
  readonly expected: string;
}

/** Of the hash of a key: 4,096 buckets a table. It asks for even shares, not for strength. */
const BITS = 12;

function bucketSql(key: readonly string[]): string {
  return `hash_record_extended(row(${key}), 0) & ${2 ** BITS - 1}`;
}

/**
 * Finds where two copies of read models differ: bucket by bucket, and row by row only in buckets whose
 * digests differ.
 */
export async function compareReadModels(
  client: pg.ClientBase,
  projections: readonly AnyProjection[],
  sides: Sides,
): Promise<Divergence[]> {
  let divergences: Divergence[] = [];
  for (const projection of projections) {
    const before = await digests(client, sides.found, projection);
    const after = await digests(client, sides.expected, projection);
    const differing = [...new Set([...before.keys(), ...after.keys()])].filter(
      (bucket) => before.get(bucket) !== after.get(bucket),
    );
    if (differing.length === 0) continue;
    const some = `where (${bucketSql(projection.key)}) = any($1::bigint[])`;
    divergences = divergences.concat(await rowByRow(client, projection, sides, some, differing));
  }
  return divergences;
}

/** Those rows, of some that differed before, that differ still. */
export async function stillDiverging(
  client: pg.ClientBase,
  projections: readonly AnyProjection[],
  sides: Sides,
  before: readonly Divergence[],
): Promise<Divergence[]> {
  let divergences: Divergence[] = [];
  for (const projection of projections) {
    const keys = before.filter(({ table }) => table === projection.table).map(({ key }) => key);
    if (keys.length === 0) continue;
    const some = `where (${projection.key}) in (${keysSql(projection)})`;
    const found = await rowByRow(client, projection, sides, some, JSON.stringify(keys));
    divergences = divergences.concat(found);
  }
  return divergences;
}

/** A digest of the rows in each bucket, whatever their order. */
async function digests(
  client: pg.ClientBase,
  schema: string,
  { table, key, columns }: AnyProjection,
): Promise<Map<number, string>> {
  const row = `row(${[...Object.keys(columns), 'revision']})`;
  // PostgreSQL's hash of a row is a sum over its columns: summed as it is, it would not show that two
  // rows have exchanged a value. Without "offset 0" each expression is computed wherever it is used.
  const { rows } = await client.query<{ bucket: number; digest: string }>(
    `select bucket, concat_ws(' ', count(*), sum(hashint8extended(one, 0)),
       sum(hashint8extended(other, 1))) as digest
     from (select ${bucketSql(key)} as bucket, hash_record_extended(${row}, 0) as one,
       hash_record_extended(${row}, 1) as other from ${schema}.${table} offset 0) r
     group by 1`,
  );
  return new Map(rows.map(({ bucket, digest }) => [bucket, digest]));
}

async function rowByRow(
  client: pg.ClientBase,
  { table, key, columns }: AnyProjection,
  { found, expected }: Sides,
  where: string,
  parameter: unknown,
): Promise<Divergence[]> {
  const names = [...Object.keys(columns), 'revision'];
  const side = (schema: string) =>
    `(select ${key}, to_jsonb(r) as row from (select ${names} from ${schema}.${table} ${where}) r)`;
  const { rows } = await client.query<Omit<Divergence, 'table'>>(
    `select jsonb_build_object(${key.map((column) => `'${column}', ${column}`)}) as key,
       f.row as found, e.row as expected
     from ${side(found)} f full join ${side(expected)} e using (${key})
     where f.row is distinct from e.row order by ${key}`,
    [parameter],
  );
  return rows.map((row) => ({ table, ...row }));
}
