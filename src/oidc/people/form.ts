import type { Context } from 'koa';

/** Bytes. */
const LIMIT = 16 * 1024;

/**
 * Reads what was sent with a request.
 * @throws HttpError 413 when it is more than so many bytes
 */
export async function readBody(ctx: Context, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of ctx.req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) ctx.throw(413, 'the body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * Reads a posted form.
 * @throws HttpError 413 when it is too large, 415 when it is something else
 */
export async function readForm(ctx: Context): Promise<URLSearchParams> {
  if (!ctx.is('application/x-www-form-urlencoded')) ctx.throw(415, 'a form is expected');
  return new URLSearchParams(await readBody(ctx, LIMIT));
}
