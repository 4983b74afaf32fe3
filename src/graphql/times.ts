import { bounded, type Condition } from '../projections/page.ts';
import { badInput } from './errors.ts';

/** A column between two instants, both of which may be absent. */
export function within(
  column: string,
  since: string | null | undefined,
  until: string | null | undefined,
): Condition[] {
  const where: Condition[] = [];
  if (since) where.push(bounded(column, '>=', instant(since, 'filter.since')));
  if (until) where.push(bounded(column, '<=', instant(until, 'filter.until')));
  return where;
}

function instant(text: string, field: string): string {
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw badInput('must be an instant', field);
  return new Date(time).toISOString();
}
