import shared from '@eventstore/db-client/generated/shared_pb.js';
import type {
  AppendReq,
  BatchAppendReq,
  DeleteReq,
  ReadResp as ReadResponse,
  TombstoneReq,
} from '@eventstore/db-client/generated/streams_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { Expected, ProposedEvent, StoredEvent } from './server-log.ts';

const { ReadResp } = streams;
const TICKS_PER_MILLISECOND = 10_000;

type Identifier = { getStreamName_asU8(): Uint8Array };
type Uuid = NonNullable<ReturnType<AppendReq.ProposedMessage['getId']>>;

/** The stream's name, which travels as bytes. */
export function streamName(identifier: Identifier | undefined): string {
  return Buffer.from(identifier?.getStreamName_asU8() ?? []).toString('utf8');
}

/** The revision an append, a deletion or a tombstone expects. */
export function expectedRevision(
  options: AppendReq.Options | BatchAppendReq.Options | DeleteReq.Options | TombstoneReq.Options,
): Expected {
  if (options.hasNoStream()) return 'none';
  if (options.hasAny()) return 'any';
  if (options.hasStreamExists()) return 'exists';
  return Number('getRevision' in options ? options.getRevision() : options.getStreamPosition());
}

export function proposedEvent(
  message: AppendReq.ProposedMessage | BatchAppendReq.ProposedMessage,
): ProposedEvent {
  const system = message.getMetadataMap();
  return {
    id: uuid(message.getId()),
    type: system.get('type') ?? '',
    contentType: system.get('content-type') ?? 'application/octet-stream',
    data: message.getData_asU8(),
    metadata: message.getCustomMetadata_asU8(),
  };
}

/** A UUID in its textual form; clients may send it as text or as two signed 64-bit halves. */
export function uuid(id: Uuid | undefined): string {
  const halves = id?.getStructured();
  if (!halves) return id?.getString() ?? '';
  return [halves.getMostSignificantBits(), halves.getLeastSignificantBits()]
    .map((half) => BigInt.asUintN(64, BigInt(half)).toString(16).padStart(16, '0'))
    .join('')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export function readEvent(event: StoredEvent): ReadResponse {
  const position = String(event.position);
  const recorded = new ReadResp.ReadEvent.RecordedEvent()
    .setId(new shared.UUID().setString(event.id))
    .setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from(event.stream)))
    .setStreamRevision(String(event.revision))
    .setCommitPosition(position)
    .setPreparePosition(position)
    .setData(event.data)
    .setCustomMetadata(event.metadata);
  recorded
    .getMetadataMap()
    .set('type', event.type)
    .set('created', String(event.created.getTime() * TICKS_PER_MILLISECOND))
    .set('content-type', event.contentType);
  return new ReadResp().setEvent(
    new ReadResp.ReadEvent().setEvent(recorded).setCommitPosition(position),
  );
}

export function streamNotFound(stream: string): ReadResponse {
  return new ReadResp().setStreamNotFound(
    new ReadResp.StreamNotFound().setStreamIdentifier(
      new shared.StreamIdentifier().setStreamName(Buffer.from(stream)),
    ),
  );
}

export function confirmation(): ReadResponse {
  return new ReadResp().setConfirmation(
    new ReadResp.SubscriptionConfirmation().setSubscriptionId(crypto.randomUUID()),
  );
}

export function checkpoint({ position }: StoredEvent): ReadResponse {
  return new ReadResp().setCheckpoint(
    new ReadResp.Checkpoint()
      .setCommitPosition(String(position))
      .setPreparePosition(String(position)),
  );
}

export function caughtUp(): ReadResponse {
  return new ReadResp().setCaughtUp(new ReadResp.CaughtUp());
}

/** How the server tells a client by name that a stream was deleted. */
export function streamDeleted(stream: string): Partial<ServiceError> {
  const metadata = new Metadata();
  metadata.set('exception', 'stream-deleted');
  metadata.set('stream-name', stream);
  return {
    code: status.FAILED_PRECONDITION,
    details: `Event stream '${stream}' is deleted.`,
    metadata,
  };
}

/** How the server refuses a deletion; an append has a reply of its own for that. */
export function wrongExpectedVersion(
  stream: string,
  expected: Expected,
  current: number | null,
): Partial<ServiceError> {
  const codes = { none: -1, any: -2, exists: -4 };
  const metadata = new Metadata();
  metadata.set('exception', 'wrong-expected-version');
  metadata.set('stream-name', stream);
  metadata.set(
    'expected-version',
    String(typeof expected === 'number' ? expected : codes[expected]),
  );
  if (current !== null) metadata.set('actual-version', String(current));
  return { code: status.FAILED_PRECONDITION, details: 'WrongExpectedVersion', metadata };
}

export function unavailable(details: string): Partial<ServiceError> {
  return { code: status.UNAVAILABLE, details };
}
