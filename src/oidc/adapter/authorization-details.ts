import type { AdapterPayload } from 'oidc-provider';
import type { Secrets } from '../../platform/secrets.ts';
import type { SubjectKeys } from '../../platform/subject-keys.ts';

/** Of a client that acts for itself, where there is no person to seal for. */
const PURPOSE = 'authorization-details';

/**
 * Authorization details (RFC 9396) say whom money goes to and whose records are read: they are kept
 * sealed, for the person they are about. Everything else of a payload stays as it is.
 */
export class DetailSeals {
  constructor(
    private readonly context: { readonly secrets: Secrets; readonly subjectKeys: SubjectKeys },
  ) {}

  async seal<P extends AdapterPayload>(payload: P): Promise<P> {
    const { rar, accountId } = payload;
    if (!rar) return payload;
    const text = JSON.stringify(rar);
    const { secrets, subjectKeys } = this.context;
    const sealed = accountId ? subjectKeys.seal(accountId, text) : secrets.seal(PURPOSE, text);
    return { ...payload, rar: await sealed };
  }

  /** Of a person who was erased, no details are left. */
  async open<P extends AdapterPayload>(payload: P): Promise<P> {
    const { rar, accountId } = payload;
    if (typeof rar !== 'string') return payload;
    const { secrets, subjectKeys } = this.context;
    const text = accountId ? await subjectKeys.open(accountId, rar) : secrets.open(PURPOSE, rar);
    return { ...payload, rar: text === null ? undefined : JSON.parse(text) };
  }
}
