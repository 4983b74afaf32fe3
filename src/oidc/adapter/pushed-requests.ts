import type { AdapterPayload } from 'oidc-provider';
import { digest, type Secrets } from '../../platform/secrets.ts';
import type { ProtocolReads } from '../../projections/protocol-reads.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';
import { instantIn } from './model-adapter.ts';
import { StateAdapter } from './state.ts';

/** The row that says a pushed request was used: claimed, so of two commits one is refused. */
export const PUSHED_REQUEST_USE = 'PushedAuthorizationRequestUse';

/**
 * Pushed authorization requests (RFC 9126). They may be opened for a minute, but are used when the
 * person has come to the end of the pages: until then their rows are kept.
 */
export class PushedRequestAdapter extends StateAdapter {
  readonly #kept: number;

  constructor(context: {
    readonly reads: ProtocolReads;
    readonly secrets: Secrets;
    /** Seconds. */
    readonly interactionLifetime: number;
  }) {
    super('PushedAuthorizationRequest', context);
    // Signing in may take one, and consenting another.
    this.#kept = 2 * context.interactionLifetime;
  }

  override upsert(id: string, payload: AdapterPayload): Promise<void> {
    return super.upsert(id, payload, this.#kept);
  }

  /** One that is not there counts as used: at the end of the pages the library takes silence for leave. */
  override async find(id: string): Promise<AdapterPayload> {
    const [known, use] = await Promise.all([
      super.find(id),
      this.context.reads.entry(PUSHED_REQUEST_USE, digest(id)),
    ]);
    if (known && !use) return known;
    return { ...known, kind: this.model, jti: id, consumed: true };
  }

  override async consume(id: string): Promise<void> {
    currentUnitOfWork().change({
      op: 'claim',
      model: PUSHED_REQUEST_USE,
      id: digest(id),
      lookup: null,
      payload: null,
      expiresAt: instantIn(this.#kept),
    });
  }
}
