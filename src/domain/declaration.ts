import { type Fact, own, same } from './decider.ts';

type Parts<F> = { readonly [T in keyof F]?: readonly string[] };

/**
 * The facts that turn one whole into another.
 * @param parts the facts that replace a part, each with the fields of its part
 */
export function replacements<F>(parts: Parts<F>, before: object, after: object): Fact<F>[] {
  const [was, is] = [before as Record<string, unknown>, after as Record<string, unknown>];
  return Object.entries(parts as Record<string, readonly string[]>).flatMap(([type, fields]) => {
    if (fields.every((field) => same(was[field], is[field]))) return [];
    const data = Object.fromEntries(fields.map((field) => [field, is[field]]));
    return [{ type, data } as unknown as Fact<F>];
  });
}

/** The texts that differ, by language; null for one that is there no more. */
export function relocalizations<Text>(
  before: Readonly<Record<string, Text>>,
  after: Readonly<Record<string, Text>>,
): { readonly locale: string; readonly text: Text | null }[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .map((locale) => ({ locale, text: own(after, locale) ?? null }))
    .filter(({ locale, text }) => !same(own(before, locale) ?? null, text));
}
