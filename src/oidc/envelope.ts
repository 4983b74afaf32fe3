import type { Context } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Envelope } from '../eventstore/event-store.ts';
import { SCHEMA_VERSION } from '../eventstore/upcast.ts';
import type { Secrets } from '../platform/secrets.ts';
import type { SubjectKeys } from '../platform/subject-keys.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** Who made the request, how they proved it, and from where. */
export async function envelopeOf(
  { secrets, subjectKeys }: { secrets: Secrets; subjectKeys: SubjectKeys },
  ctx: Context,
  unit: UnitOfWork,
): Promise<Envelope> {
  const oidc = (ctx as KoaContextWithOIDC).oidc;
  const requestId = ctx.state.requestId as string;
  const source = JSON.stringify({ address: ctx.ip, userAgent: ctx.get('User-Agent') });
  const client = oidc?.client;
  const authenticated = client !== undefined && isBackChannel(oidc?.route);
  return {
    at: new Date().toISOString(),
    actor: authenticated
      ? { type: 'client', id: client.clientId }
      : unit.subject
        ? { type: 'user', id: unit.subject }
        : { type: 'system', id: 'anonymous' },
    authentication: authenticated
      ? (client.clientAuthMethod ?? 'none')
      : unit.subject
        ? 'session'
        : 'none',
    source: unit.subject
      ? await subjectKeys.seal(unit.subject, source)
      : secrets.sealAlike('source', source),
    ...(unit.subject ? { subject: unit.subject } : {}),
    requestId,
    $correlationId: requestId,
    $causationId: requestId,
    schema: SCHEMA_VERSION,
  };
}

/** Endpoints at which the client itself has authenticated. */
function isBackChannel(route: string | undefined): boolean {
  return (
    route === 'token' ||
    route === 'revocation' ||
    route === 'introspection' ||
    route === 'pushed_authorization_request' ||
    route === 'device_authorization' ||
    route === 'backchannel_authentication'
  );
}
