import type { Logger } from 'pino';
import type { BackchannelRequestFacts } from '../../domain/backchannel-request.ts';
import type { Executed } from '../../eventstore/execute.ts';
import { REQUESTS_PATH } from './backchannel-page.ts';

/** That somebody is asked for by a client, and where they decide. */
export interface PersonNotice {
  readonly sub: string;
  readonly clientId: string;
  readonly url: string;
  readonly expiresAt: string;
}

/**
 * Tells people that a client waits for them: by a message to their telephone, say. What it fails to
 * tell is on their page all the same.
 */
export interface Notifier {
  notify(notice: PersonNotice): Promise<void>;
}

/** Until there is another: a line in the log, which names nobody. */
export function logNotifier(log: Logger): Notifier {
  return {
    async notify(notice) {
      log.info(notice, 'a client waits for a person to decide');
    },
  };
}

/** Tells the people whom recorded requests are about. */
export async function notifyPeople(
  notifier: Notifier,
  issuer: string,
  { writes }: Executed,
): Promise<void> {
  for (const { type, data } of writes.flatMap(({ events }) => events)) {
    if (type !== 'BackchannelAuthenticationRequested') continue;
    const { sub, clientId, expiresAt } =
      data as BackchannelRequestFacts['BackchannelAuthenticationRequested'];
    await notifier.notify({ sub, clientId, expiresAt, url: `${issuer}${REQUESTS_PATH}` });
  }
}
