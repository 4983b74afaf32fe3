import type { AdapterPayload } from 'oidc-provider';
import type { Secrets } from '../../platform/secrets.ts';
import { digest } from '../../platform/secrets.ts';
import type { ProtocolReads } from '../../projections/protocol-reads.ts';
import { currentUnitOfWork } from '../unit-of-work.ts';
import { instantIn, ModelAdapter } from './model-adapter.ts';

/** A model that is nobody's history: a sealed row with an expiry, found by the digest of its id. */
export class StateAdapter extends ModelAdapter {
  constructor(
    protected readonly model: string,
    protected readonly context: { readonly reads: ProtocolReads; readonly secrets: Secrets },
  ) {
    super();
  }

  override async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<void> {
    const { jti: _, ...record } = payload;
    const unit = currentUnitOfWork();
    unit.remember(this.model, id, payload);
    unit.change({
      op: 'put',
      model: this.model,
      id: digest(id),
      lookup: this.lookup(payload),
      payload: this.context.secrets.seal(this.model, JSON.stringify(record)),
      expiresAt: instantIn(expiresIn),
    });
  }

  override async find(id: string): Promise<AdapterPayload | undefined> {
    const seen = currentUnitOfWork().recall(this.model, id);
    if (seen) return seen.payload as AdapterPayload | undefined;
    const entry = await this.context.reads.entry(this.model, digest(id));
    if (!entry?.payload) return undefined;
    return { ...JSON.parse(this.context.secrets.open(this.model, entry.payload)), jti: id };
  }

  override async destroy(id: string): Promise<void> {
    const unit = currentUnitOfWork();
    unit.remember(this.model, id, undefined);
    unit.change({ op: 'drop', model: this.model, id: digest(id) });
  }

  /** A second key by which rows of the model are found. */
  protected lookup(_payload: AdapterPayload): string | null {
    return null;
  }
}

/**
 * Client assertions (RFC 7523 §3) and DPoP proofs (RFC 9449 §11.1) are used once: the row is
 * claimed, and of two commits that claim it one is refused.
 */
export class ReplayAdapter extends StateAdapter {
  constructor(context: { readonly reads: ProtocolReads; readonly secrets: Secrets }) {
    super('ReplayDetection', context);
  }

  override async upsert(id: string, _payload: AdapterPayload, expiresIn: number): Promise<void> {
    currentUnitOfWork().change({
      op: 'claim',
      model: this.model,
      id: digest(id),
      lookup: null,
      payload: null,
      expiresAt: instantIn(expiresIn),
    });
  }

  override async find(id: string): Promise<AdapterPayload | undefined> {
    const entry = await this.context.reads.entry(this.model, digest(id));
    return entry && { jti: id, kind: this.model };
  }
}
