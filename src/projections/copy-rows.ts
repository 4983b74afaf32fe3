import { once } from 'node:events';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

/** Characters handed to COPY at once. */
const COPIED = 1 << 18;

/**
 * Appends rows to a table by COPY, which costs PostgreSQL least of all ways.
 * @param columns their SQL types, by name; others get their default
 */
export async function copyRows<Row extends object>(
  client: pg.ClientBase,
  table: string,
  columns: Readonly<Record<string, string>>,
  rows: Iterable<Row>,
): Promise<void> {
  const types = Object.entries(columns);
  const names = types.map(([column]) => column).join(', ');
  const copy = client.query(copyFrom(`copy ${table} (${names}) from stdin`));
  const done = once(copy, 'finish');
  let text = '';
  for (const row of rows) {
    const values = row as Readonly<Record<string, unknown>>;
    text += `${types.map(([column, type]) => copied(values[column], type)).join('\t')}\n`;
    if (text.length < COPIED) continue;
    if (!copy.write(text)) await Promise.race([once(copy, 'drain'), done]);
    text = '';
  }
  copy.end(text);
  await done;
}

/** A value in the text format of COPY. */
function copied(value: unknown, type: string): string {
  if (value === null || value === undefined) return '\\N';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = type.startsWith('jsonb') ? JSON.stringify(value) : String(value);
  return /[\\\t\n\r]/.test(text) ? text.replaceAll(/[\\\t\n\r]/g, (it) => ESCAPES[it] ?? it) : text;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
};
