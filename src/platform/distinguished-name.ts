/** One attribute of a name: its type in lower case, and its value. */
type Attribute = `${string}=${string}`;

/** A distinguished name: its parts, the most specific first, each with its attributes in order. */
export type DistinguishedName = readonly (readonly Attribute[])[];

/** A type by name or number and a value as a string, in which what would end it is escaped (RFC 4514 §2.4). */
const ATTRIBUTE =
  /^\s*([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)=((?:\\[0-9A-Fa-f]{2}|\\.|[^\\,+;"\n])*)$/s;

/**
 * Reads the text of a distinguished name (RFC 4514), such as `CN=shop,O=Example,C=DE`.
 * @param separator what stands between its parts; Node writes each on a line of its own
 * @returns null when it is not one, or has a value in hexadecimal
 */
export function parseDistinguishedName(text: string, separator = ','): DistinguishedName | null {
  const parts = split(text, separator).map((part) => split(part, '+').map(attribute));
  const whole = parts.every((part) => part.every((each) => each !== null));
  return whole ? parts.map((part) => part.filter((each) => each !== null).sort()) : null;
}

/** Whether the two name the same: the same attributes in the same order, values letter by letter. */
export function sameName(a: DistinguishedName, b: DistinguishedName): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function attribute(text: string): Attribute | null {
  const [, type, value] = ATTRIBUTE.exec(text) ?? [];
  if (!type || !value || value.startsWith('#')) return null;
  return `${type.toLowerCase()}=${unescaped(trimmed(value))}`;
}

/** Spaces around a value count only where they are escaped. */
function trimmed(value: string): string {
  return /^\s*((?:\\.|[^\\])*?)\s*$/s.exec(value)?.[1] ?? value;
}

/** A backslash stands before a character, or before the two digits of one of its bytes in UTF-8. */
function unescaped(value: string): string {
  return value.replace(
    /((?:\\[0-9A-Fa-f]{2})+)|\\(.)/gs,
    (_, bytes?: string, character?: string) =>
      bytes ? Buffer.from(bytes.replaceAll('\\', ''), 'hex').toString('utf8') : (character ?? ''),
  );
}

/** The parts between separators that no backslash stands before. */
function split(text: string, separator: string): string[] {
  const parts = [''];
  for (const [piece] of text.matchAll(/\\.|[^\\]|\\$/gs)) {
    if (piece === separator) parts.push('');
    else parts[parts.length - 1] += piece;
  }
  return parts;
}
