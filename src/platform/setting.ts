import { z } from 'zod';

/** One environment variable: its default as an operator would write it, and what it has to be. */
export interface Setting<S extends z.ZodType> {
  readonly variable: string;
  /** null: none. */
  readonly default: string | null;
  readonly description: string;
  /** Its value is shown to nobody. */
  readonly secret?: true;
  readonly schema: S;
}

/** Keeps the type of what a setting is read as. */
export function setting<S extends z.ZodType>(definition: Setting<S>): Setting<S> {
  return definition;
}

export const text = (message: string) => z.string().refine((value) => value.trim() !== '', message);

export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));

export const flag = z
  .enum(['true', 'false'], 'must be true or false')
  .transform((value) => value === 'true');

/** Words separated by commas, in lower case; none when empty. */
export const commaSeparated = (pattern: RegExp, message: string) =>
  z
    .string()
    .nullable()
    .transform((value) =>
      (value ?? '')
        .toLowerCase()
        .split(',')
        .map((word) => word.trim()),
    )
    .transform((words) => words.filter((word) => word !== ''))
    .refine((words) => words.every((word) => pattern.test(word)), message);
