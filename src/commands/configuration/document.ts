import { type Document, LineCounter, parseDocument } from 'yaml';
import { DomainError } from '../../domain/errors.ts';
import type { Issue } from '../command.ts';

/** A document longer than this many characters is not looked at. */
const MAX_LENGTH = 2_000_000;

/** Something that is wrong with a document, and where. */
export interface DocumentIssue extends Issue {
  /** From 1; null where the document as a whole is meant. */
  readonly line: number | null;
}

/** A configuration as it was written, in YAML or JSON (which is YAML). */
export class ConfigurationDocument {
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();
  readonly content: Readonly<Record<string, unknown>>;

  /** @throws DomainError `invalid` (detail.issues with lines) for what cannot be read */
  constructor(text: string) {
    if (text.length > MAX_LENGTH) {
      throw refused([
        { field: '', message: `is longer than ${MAX_LENGTH} characters`, line: null },
      ]);
    }
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      maxAliasCount: 100,
    } as object);
    const unreadable = this.#document.errors.map(({ message, pos: [start] }) => ({
      field: '',
      message: message.split('\n')[0] ?? message,
      line: this.#lines.linePos(start).line,
    }));
    if (unreadable.length > 0) throw refused(unreadable);
    const content: unknown = this.#document.toJS({ maxAliasCount: 100 });
    if (typeof content !== 'object' || content === null || Array.isArray(content)) {
      throw refused([{ field: '', message: 'must have sections, such as clients', line: 1 }]);
    }
    this.content = content as Record<string, unknown>;
  }

  /** The line of a field, or of the nearest that encloses it. @param field dotted: `clients.0.jwks` */
  line(field: string): number | null {
    const path = field.split('.').filter(Boolean);
    for (let length = path.length; length > 0; length--) {
      const node = this.#document.getIn(path.slice(0, length).map(step), true);
      const range = (node as { range?: [number, number, number] } | undefined)?.range;
      if (range) return this.#lines.linePos(range[0]).line;
    }
    return null;
  }
}

function step(name: string): string | number {
  return /^\d+$/.test(name) ? Number(name) : name;
}

/** The refusal of a document, which names everything that is wrong with it. */
export function refused(found: readonly DocumentIssue[]): DomainError {
  const issues = found.map(({ field, message, line }) => ({
    field,
    message: line === null ? message : `${message} (line ${line})`,
  }));
  const all = issues.map(({ field, message }) => [field, message].filter(Boolean).join(' '));
  return new DomainError('invalid', all.join('\n'), { field: 'document', issues });
}
