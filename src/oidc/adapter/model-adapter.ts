import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { Instant } from '../../domain/ids.ts';

/** What oidc-provider may call on any model; a model overrides what it has. */
export class ModelAdapter implements Adapter {
  upsert(_id: string, _payload: AdapterPayload, _expiresIn: number): Promise<void> {
    return unexpected('upsert');
  }

  find(_id: string): Promise<AdapterPayload | undefined> {
    return unexpected('find');
  }

  findByUid(_uid: string): Promise<AdapterPayload | undefined> {
    return unexpected('findByUid');
  }

  findByUserCode(_userCode: string): Promise<AdapterPayload | undefined> {
    return unexpected('findByUserCode');
  }

  consume(_id: string): Promise<void> {
    return unexpected('consume');
  }

  destroy(_id: string): Promise<void> {
    return unexpected('destroy');
  }

  /** Revocation goes through the grant's own stream; its tokens need no call each. */
  async revokeByGrantId(_grantId: string): Promise<void> {}
}

function unexpected(call: string): Promise<never> {
  return Promise.reject(new Error(`${call} is not part of this model`));
}

/** Seconds since 1970 (NumericDate, RFC 7519 §2) of an instant. */
export function numericDate(instant: Instant): number {
  return Math.floor(Date.parse(instant) / 1000);
}

/** The instant of a NumericDate. */
export function instantOf(seconds: number): Instant {
  return new Date(seconds * 1000).toISOString();
}

/** The instant so many seconds from now. */
export function instantIn(seconds: number): Instant {
  return new Date(Date.now() + seconds * 1000).toISOString();
}

/** `a b` → `['a', 'b']`; nothing → `[]` (RFC 6749 §3.3). */
export function scopeList(scope: string | undefined): string[] {
  return scope?.split(' ').filter(Boolean) ?? [];
}

/** The fields of a payload but those named, and but those without a value. */
export function rest(payload: AdapterPayload, ...without: string[]): Record<string, unknown> {
  const kept = Object.entries(payload).filter(
    ([field, value]) => value !== undefined && !without.includes(field),
  );
  return Object.fromEntries(kept);
}
