/** A moment as ISO 8601 in UTC with milliseconds: `2026-11-21T08:00:00.000Z`. Sorts as text. */
export type Instant = string;

/** A SHA-256 in lower-case hex: all that is ever stored of a token, code or session cookie. */
export type Digest = string;

/** A ciphertext made by platform/secrets; opaque to the domain. */
export type Sealed = string;

/** Rights that end together: all, or those that began at a time or later. */
export interface BulkEnd {
  readonly reason: string;
  readonly since: Instant | null;
}

/** Why a right ended, in the words the audit trail shows. */
export type RevocationReason =
  | 'code_replayed'
  | 'refresh_token_reused'
  | 'refresh_token_revoked'
  | 'signed_out'
  | 'session_expired'
  | 'consent_withdrawn'
  | 'user_disabled'
  | 'password_changed'
  | 'client_disabled'
  | 'superseded'
  | 'administrator';
