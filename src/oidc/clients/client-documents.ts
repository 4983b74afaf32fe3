import { LRUCache } from 'lru-cache';
import { errors } from 'oidc-provider';
import {
  describeByDocument,
  documentDescription,
  withUnsaid,
} from '../../commands/registrations.ts';
import type { ClientRegistration } from '../../domain/client.ts';
import { client } from '../../domain/client.ts';
import { same, streamOf } from '../../domain/decider.ts';
import { DomainError } from '../../domain/errors.ts';
import type { Instant } from '../../domain/ids.ts';
import { isHostAmong, type RegistrationPolicy } from '../../domain/registration-policy.ts';
import type { SigningAlgorithm } from '../../domain/signing-key.ts';
import type { EventStore } from '../../eventstore/event-store.ts';
import type { Outbound } from '../../platform/outbound.ts';
import { clientRow, registrationIn } from '../../projections/clients.ts';
import type { KnownClient } from '../../projections/protocol-reads.ts';
import { requestUnderWay } from '../unit-of-work.ts';
import { described, type Metadata, metadataName } from './client-registration-metadata.ts';

export interface DocumentContext {
  readonly outbound: Outbound;
  readonly store: Pick<EventStore, 'read'>;
  /** Hosts whose documents count, `*` for all; none: no client is known by a document. */
  readonly clientMetadataHosts: readonly string[];
  /** What clients may make of themselves that nobody has invited. */
  readonly openPolicy: RegistrationPolicy;
  readonly signingAlgorithms: readonly SigningAlgorithm[];
}

/** What a document said when it was last read, or why it is of no use. */
type Said =
  | {
      readonly registration: ClientRegistration;
      /** As long as no row says it: the same object each time. */
      readonly client: KnownClient;
      readonly readAt: Instant;
    }
  | { readonly problem: string; readonly unreachable: boolean };

type Read = (clientId: string) => Promise<KnownClient | undefined>;

/** Characters: a client's id is a key of rows and the name of a stream. */
const LONGEST_ID = 500;
/** Bytes of a document. */
const LARGEST = 5 * 1024;
const REMEMBERED = 500;
/** Seconds that a document counts for, whatever its server says. */
const LEAST_FRESH = 60;
const MOST_FRESH = 24 * 60 * 60;
/** Seconds after which a document is tried again that was of no use. */
const RETRIED = 30;

/**
 * Clients whose id is the address of a document in which they describe themselves (OAuth Client ID
 * Metadata Document). Makes a read of clients one that knows them as well: they are like others to
 * whoever reads. Such a client is recorded in the log with the first thing that is.
 */
export function withClientDocuments(context: DocumentContext): (read: Read) => Read {
  const documents = new LRUCache<string, Said>({
    max: REMEMBERED,
    fetchMethod: async (clientId, _, { options }) => {
      const { said, seconds } = await readDocument(context, clientId);
      options.ttl = seconds * 1_000;
      return said;
    },
  });
  return (read) => async (clientId) => {
    const row = await read(clientId);
    if (!isDocumentId(clientId) || (row && row.origin !== 'metadata_document')) return row;
    if (!mayCount(context.clientMetadataHosts, clientId)) return undefined;
    const unit = requestUnderWay();
    // Nobody waits for what is done outside of a request, and what was recorded is good enough.
    if (row?.disabled_at || !unit) return row;
    const said = await documents.fetch(clientId);
    if (!said || 'problem' in said) {
      if (row && said?.unreachable) return row;
      throw new errors.InvalidClient(`the client’s metadata document ${said?.problem}`);
    }
    if (!row) {
      unit.describe(clientId, describeByDocument(said.registration));
      return said.client;
    }
    // Recorded since: what others have read is newer than what is remembered here.
    if (Date.parse(row.changed_at) >= Date.parse(said.readAt)) return row;
    const before = registrationIn(row);
    const registration = withUnsaid(said.registration, before);
    if (same(before, registration)) return row;
    unit.describe(clientId, describeByDocument(registration));
    return { ...clientRow(registration, row.created_at), secrets: row.secrets };
  };
}

/** An https URL in its only spelling, with a path, and with nothing that is for browsers or people. */
export function isDocumentId(clientId: string): boolean {
  if (clientId.length > LONGEST_ID || !clientId.startsWith('https://')) return false;
  const url = URL.parse(clientId);
  return (
    url?.href === clientId && url.pathname !== '/' && !/[@#]/.test(clientId.replace(url.search, ''))
  );
}

function mayCount(hosts: readonly string[], clientId: string): boolean {
  const { host, hostname } = new URL(clientId);
  return hosts.includes('*') || isHostAmong(hosts, hostname) || isHostAmong(hosts, host);
}

async function readDocument(
  context: DocumentContext,
  clientId: string,
): Promise<{ said: Said; seconds: number }> {
  const ofNoUse = (problem: string, unreachable = false) => ({
    said: { problem, unreachable },
    seconds: RETRIED,
  });
  const readAt = new Date().toISOString();
  let response: Response;
  try {
    response = await context.outbound(clientId, { headers: { accept: 'application/json' } });
  } catch {
    return ofNoUse('cannot be fetched', true);
  }
  if (response.status !== 200) {
    return ofNoUse(`is answered with ${response.status}`, response.status >= 500);
  }
  const metadata = documentIn(await response.text());
  const problem = metadata
    ? problemOf(metadata, clientId)
    : 'is not a JSON object of at most 5 KiB';
  if (!metadata || problem) return ofNoUse(problem ?? '');
  const [last] = await context.store.read(streamOf(client, clientId), {
    backwards: true,
    limit: 1,
  });
  if (last?.type === 'ClientRemoved') return ofNoUse('is of a client that was removed');
  try {
    const said = described(cutTo(context.openPolicy, metadata), context.openPolicy.scopes);
    const registration = documentDescription(said, {
      ...context,
      clientId,
      policy: context.openPolicy,
    });
    const row = { ...clientRow(registration, readAt), secrets: [] };
    return { said: { registration, client: row, readAt }, seconds: freshFor(response.headers) };
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    return ofNoUse(`has ${metadataName(error.detail.field ?? '')}, which ${error.message}`);
  }
}

function documentIn(text: string): Metadata | undefined {
  if (Buffer.byteLength(text) > LARGEST) return undefined;
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === 'object' && json && !Array.isArray(json)
      ? (json as Metadata)
      : undefined;
  } catch {
    return undefined;
  }
}

function problemOf(metadata: Metadata, clientId: string): string | null {
  if (metadata.client_id !== clientId) return 'is of another client';
  if ('client_secret' in metadata || 'client_secret_expires_at' in metadata)
    return 'holds a secret';
  const { token_endpoint_auth_method: method = 'none' } = metadata;
  const isKept = method === 'none' || method === 'private_key_jwt';
  return isKept ? null : 'wants a way to authenticate that needs a secret';
}

/**
 * A document is for all servers: what it asks for beyond what this one allows is left out, where a
 * client that registers is refused. People are told whose it is, for its name is its own invention.
 */
function cutTo({ grantTypes, scopes }: RegistrationPolicy, metadata: Metadata): Metadata {
  const { client_name, client_id, grant_types, scope } = metadata;
  const among = (allowed: readonly string[]) => (value: unknown) => allowed.includes(String(value));
  const { hostname } = new URL(String(client_id));
  return {
    token_endpoint_auth_method: 'none',
    ...metadata,
    client_name: client_name ? `${client_name} (${hostname})` : hostname,
    ...(Array.isArray(grant_types) && { grant_types: grant_types.filter(among(grantTypes)) }),
    ...(typeof scope === 'string' && { scope: scope.split(' ').filter(among(scopes)).join(' ') }),
  };
}

/** Seconds for which an answer says that it is fresh (RFC 9111), within bounds. */
function freshFor(headers: Headers): number {
  const [, maxAge = 0] = /(?:^|[\s,])max-age=(\d+)/i.exec(headers.get('cache-control') ?? '') ?? [];
  return Math.min(Math.max(Number(maxAge), LEAST_FRESH), MOST_FRESH);
}
