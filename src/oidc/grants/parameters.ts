type Parameters = Readonly<Record<string, unknown>>;

/** A parameter that comes once; undefined when it is missing or empty. */
export function text(params: Parameters, name: string): string | undefined {
  const value = params[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A parameter that may come more than once. */
export function texts(params: Parameters, name: string): string[] {
  const value = params[name];
  return (Array.isArray(value) ? value : [value]).filter(
    (each): each is string => typeof each === 'string' && each !== '',
  );
}
