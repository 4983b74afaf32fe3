import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { HttpError } from './http.ts';

/** The operations that are executed, by the id that stands for each. */
export type PersistedOperations = ReadonlyMap<string, string>;

/** As Apollo's `generate-persisted-query-manifest` writes it. */
const manifest = z.object({
  operations: z.array(z.object({ id: z.string().min(1), body: z.string().min(1) })).min(1),
});

/** @throws Error for a file that is no manifest */
export function readOperations(file: string): PersistedOperations {
  const parsed = manifest.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  if (!parsed.success) {
    throw new Error(`${file} is no manifest of operations: ${parsed.error.issues[0]?.message}`);
  }
  return new Map(parsed.data.operations.map(({ id, body }) => [id, body]));
}

const request = z.looseObject({
  query: z.string().nullish(),
  documentId: z.string().nullish(),
  extensions: z
    .looseObject({ persistedQuery: z.looseObject({ sha256Hash: z.string() }).nullish() })
    .nullish(),
});

/**
 * The request with the operation that it stands for: named by `documentId` (GraphQL over HTTP,
 * appendix A) or `extensions.persistedQuery.sha256Hash` (Apollo), or written out as it is listed.
 * @throws HttpError PERSISTED_QUERY_NOT_FOUND for any other
 */
export function persisted(operations: PersistedOperations, body: unknown): unknown {
  const parsed = request.safeParse(body);
  const { query, documentId, extensions, ...rest } = parsed.data ?? {};
  const id = documentId ?? extensions?.persistedQuery?.sha256Hash;
  const listed = id ? operations.get(id) : [...operations.values()].find((each) => each === query);
  if (!listed) {
    throw new HttpError(
      400,
      'PERSISTED_QUERY_NOT_FOUND',
      'only the operations that the server was given are executed, and this is none of them',
    );
  }
  return { ...rest, query: listed };
}
