import { type Schema, Validator } from '@cfworker/json-schema';

/** A JSON Schema (2020-12). */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** What a value does not meet of a schema, such as `#/amount: …`; null when it meets all. */
export function violation(schema: JsonSchema, value: unknown): string | null {
  const { valid, errors } = new Validator(schema as Schema, '2020-12').validate(value);
  if (valid) return null;
  const deepest = errors.at(-1);
  return deepest ? `${deepest.instanceLocation}: ${deepest.error}` : 'it does not meet its schema';
}

/** Why a schema cannot be used, or null: it is none, refers to what is not there, or has a bad pattern. */
export function schemaProblem(schema: JsonSchema): string | null {
  try {
    violation(schema, {});
    for (const pattern of patterns(schema)) new RegExp(pattern, 'u');
    return null;
  } catch (error) {
    return `must be a JSON Schema: ${(error as Error).message}`;
  }
}

/** All regular expressions in a schema; the validator meets one only with a value it applies to. */
function patterns(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  return Object.entries(schema).flatMap(([keyword, value]) => {
    if (keyword === 'pattern' && typeof value === 'string') return [value];
    const own = keyword === 'patternProperties' && value ? Object.keys(value) : [];
    return [...own, ...patterns(value)];
  });
}
