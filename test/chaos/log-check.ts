import type { RecordedEvent } from '../../src/eventstore/event-store.ts';
import { digest } from '../../src/platform/secrets.ts';
import type { EngineName } from '../support/server.ts';
import type { Ledger } from './ledger.ts';

/** Facts that there can be one of for each token or code, whoever asked how often. */
const ONCE = /^(AuthorizationCode|(Access|Refresh|Client)Token)(Issued|Redeemed)$/;

/** Where the log itself contradicts what was acknowledged, or tells of one thing twice. */
export function logViolations(
  events: readonly RecordedEvent[],
  ledger: Ledger,
  engine: EngineName,
): string[] {
  const violations = positionViolations(events, engine);
  const ids = new Set<string>();
  const told = new Set<string>();
  for (const { id, type, data } of events) {
    if (ids.has(id)) violations.push(`the event ${id} is in the log twice`);
    ids.add(id);
    if (!ONCE.test(type) || !('digest' in data)) continue;
    const once = `${type} ${data.digest}`;
    if (told.has(once)) violations.push(`${type} of one token is in the log twice`);
    told.add(once);
  }
  const issued = new Set([...told].map((once) => once.split(' ')[1]));
  for (const token of ledger.tokens) {
    if (!issued.has(digest(token))) violations.push('an acknowledged token is not in the log');
  }
  return violations;
}

/** Positions rise, and on Postgres by one each; revisions of a stream have no gap. */
function positionViolations(events: readonly RecordedEvent[], engine: EngineName): string[] {
  const violations: string[] = [];
  const revisions = new Map<string, number>();
  let last = 0n;
  for (const { position, stream, revision } of events) {
    const rise = BigInt(position) - last;
    if (engine === 'postgres' ? rise !== 1n : rise <= 0n) {
      violations.push(`position ${position} follows ${last}`);
    }
    last = BigInt(position);
    const before = revisions.get(stream) ?? -1;
    if (revision !== before + 1) violations.push(`${stream}: ${revision} follows ${before}`);
    revisions.set(stream, revision);
  }
  return violations;
}
