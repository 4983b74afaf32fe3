import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder of the project. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A file of the project as text. @param path relative to its folder */
export function read(path: string): string {
  return readFileSync(new URL(path, `file://${ROOT}`), 'utf8');
}

export interface Fence {
  readonly language: string;
  readonly text: string;
  /** The comment right before it: `example` of `<!-- example -->`. */
  readonly mark: string | undefined;
}

/** The fenced blocks of a page, in their order. */
export function fences(markdown: string): Fence[] {
  const found = markdown.matchAll(
    /(?:^<!-- (?<mark>[\w-]+) -->\n)?^```(?<language>\w*)\n(?<text>[\s\S]*?)^```$/gm,
  );
  return [...found].map(({ groups }) => ({
    language: groups?.language ?? '',
    text: groups?.text ?? '',
    mark: groups?.mark,
  }));
}

/** The page without its fenced blocks. */
export function prose(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```$/gm, '');
}
