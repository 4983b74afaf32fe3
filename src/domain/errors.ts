/** Every reason for which the domain, or the log, refuses a wish. The edges translate them. */
export type DomainErrorCode =
  | 'already_exists'
  | 'not_found'
  | 'invalid'
  | 'disabled'
  | 'removed'
  | 'stale_version'
  | 'conflict'
  | 'already_used'
  | 'code_replayed'
  | 'refresh_token_reused'
  | 'refresh_token_rotated'
  | 'grant_revoked'
  | 'idempotency_key_mismatch'
  | 'unavailable';

/** The one error class of the domain: a literal code, a sentence, and the field that is to blame. */
export class DomainError extends Error {
  override readonly name = 'DomainError';

  constructor(
    readonly code: DomainErrorCode,
    message: string,
    /** Name of the offending field, and whatever else the edge needs to answer well. */
    readonly detail: { field?: string; [key: string]: unknown } = {},
  ) {
    super(message);
  }
}
