import type pg from 'pg';
import { counted, type Limit, limiter } from './limiter.ts';

/**
 * Keeps clients from trying out who is known here and which codes they have, and people from being asked until they give in.
 * On all nodes together; false: no more.
 */
export interface BackchannelLimits {
  /** Counts a user name before it is known to be somebody's, so that many at once gain nothing. */
  tryHint(clientId: string): Promise<boolean>;
  /** The name was somebody's, and is not counted. */
  forgiveHint(clientId: string): Promise<void>;
  /** Counts a user code before it is known to be right. */
  tryCode(sub: string): Promise<boolean>;
  forgiveCode(sub: string): Promise<void>;
  /** Counts a request of a client to a person. */
  tryRequest(sub: string, clientId: string): Promise<boolean>;
}

const TABLE = 'backchannel_limits';
/** Of each, so many in a quarter of an hour. */
const UNKNOWN_NAMES: Limit = { points: 50, duration: 15 * 60 };
const CODES: Limit = { points: 10, duration: 15 * 60 };
const REQUESTS: Limit = { points: 30, duration: 15 * 60 };

export async function backchannelLimits(pool: pg.Pool): Promise<BackchannelLimits> {
  const names = await limiter(pool, TABLE, 'hint', UNKNOWN_NAMES);
  const codes = await limiter(pool, TABLE, 'code', CODES);
  const requests = await limiter(pool, TABLE, 'request', REQUESTS);
  return {
    tryHint: (clientId) => counted(names.consume(clientId)),
    async forgiveHint(clientId) {
      await names.reward(clientId);
    },
    tryCode: (sub) => counted(codes.consume(sub)),
    async forgiveCode(sub) {
      await codes.reward(sub);
    },
    tryRequest: (sub, clientId) => counted(requests.consume(`${sub}.${clientId}`)),
  };
}
