import { randomUUID } from 'node:crypto';
import { convertToCommandError, type EventStoreDBClient } from '@eventstore/db-client';
import unpackError from '@eventstore/db-client/dist/streams/appendToStream/unpackError.js';
import uuids from '@eventstore/db-client/dist/utils/grpcUUID.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import type { StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import service from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type {
  BatchAppendReq,
  BatchAppendResp,
} from '@eventstore/db-client/generated/streams_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import google from 'google-protobuf/google/protobuf/empty_pb.js';
import type { ExpectedRevision, NewEvent, Position, StreamWrite } from './event-store.ts';
import { toPosition } from './event-store.ts';

/**
 * Appends to one stream, once, and returns the position of the last event.
 * @param signal when it aborts, nobody waits for the answer any more
 * @throws CommandError what the server decided, or what befell the connection
 */
export type AppendOnce = (write: StreamWrite, signal: AbortSignal) => Promise<Position>;

type Call = ReturnType<StreamsClient['batchAppend']>;
type CallArguments = Parameters<StreamsClient['batchAppend']>;

/** What the client keeps for its own commands: protected in the types of 6.2.1, its last release. */
interface Connection {
  GRPCStreamCreator(
    client: typeof StreamsClient,
    name: string,
    create: (client: StreamsClient) => Call,
  ): () => Promise<Call>;
  callArguments(options: object, callOptions: object): CallArguments;
}

/** A message is sent on once it holds so many bytes of events. */
const MESSAGE_BYTES = 1_000_000;

/**
 * Appends over one open call (`Streams.BatchAppend`) for all appends of a client, on the connection
 * that the client keeps. The client's own `appendToStream` does likewise, but it must not be used
 * under load: it keeps what waits for answers in one place for all connections, and when one of them
 * breaks, an answer on another finds nobody waiting and ends the process; it has no time-out; and it
 * sends a deadline by the clock of this machine, which a server with another clock takes amiss.
 */
export function appendOnce(client: EventStoreDBClient): AppendOnce {
  const connection = client as unknown as Connection;
  let current: Promise<OpenCall> | undefined;

  function open(): Promise<OpenCall> {
    const create = connection.GRPCStreamCreator(service.StreamsClient, 'append', (grpc) =>
      grpc.batchAppend(
        ...connection.callArguments(
          { requiresLeader: true },
          { deadline: Number.POSITIVE_INFINITY },
        ),
      ),
    );
    const forget = () => {
      if (current === opened) current = undefined;
    };
    const opened = create().then((call) => new OpenCall(call, forget));
    opened.catch(forget);
    return opened;
  }

  return async (write, signal) => {
    current ??= open();
    const call = await current;
    signal.throwIfAborted();
    return call.append(write, signal);
  };
}

interface Waiting {
  readonly stream: string;
  resolve(position: Position): void;
  reject(error: Error): void;
}

class OpenCall {
  readonly #call: Call;
  readonly #waiting = new Map<string, Waiting>();

  constructor(call: Call, ended: () => void) {
    this.#call = call;
    const end = (error: Error) => {
      ended();
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    call.on('data', (response: BatchAppendResp) => this.#answer(response));
    call.on('error', (error) => end(convertToCommandError(error) ?? error));
    call.on('end', () => end(new Error('the server ended the call')));
  }

  append(write: StreamWrite, signal: AbortSignal): Promise<Position> {
    const id = randomUUID();
    const messages = [...messagesFor(id, write)];
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { stream: write.stream, resolve, reject });
      signal.addEventListener('abort', () => this.#waiting.delete(id), { once: true });
      for (const message of messages) this.#call.write(message);
    });
  }

  #answer(response: BatchAppendResp): void {
    const id = uuids.parseUUID(response.getCorrelationId()) ?? '';
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    const error = response.getError();
    const position = response.getSuccess()?.getPosition();
    if (position) waiting.resolve(toPosition(position.getCommitPosition()));
    else if (error?.hasDetails()) {
      waiting.reject(unpackError.unpackToCommandError(error, waiting.stream));
    } else
      waiting.reject(new Error(error?.getMessage() ?? 'the server does not tell the position'));
  }
}

function* messagesFor(id: string, write: StreamWrite): Generator<BatchAppendReq> {
  let message = new streams.BatchAppendReq()
    .setCorrelationId(uuids.createUUID(id))
    .setOptions(optionsFor(write));
  let bytes = 0;
  for (const event of write.events) {
    const proposed = proposedMessage(event);
    if (bytes > MESSAGE_BYTES) {
      yield message;
      message = new streams.BatchAppendReq().setCorrelationId(uuids.createUUID(id));
      bytes = 0;
    }
    message.addProposedMessages(proposed);
    bytes += proposed.getData().length + proposed.getCustomMetadata().length;
  }
  yield message.setIsFinal(true);
}

function optionsFor({ stream, expectedRevision }: StreamWrite): BatchAppendReq.Options {
  const options = new streams.BatchAppendReq.Options().setStreamIdentifier(
    new shared.StreamIdentifier().setStreamName(Buffer.from(stream)),
  );
  return expect(options, expectedRevision);
}

function expect(options: BatchAppendReq.Options, expected: ExpectedRevision) {
  if (expected === 'none') return options.setNoStream(new google.Empty());
  if (expected === 'any') return options.setAny(new google.Empty());
  return options.setStreamPosition(String(expected));
}

function proposedMessage({ id, type, data, metadata }: NewEvent): BatchAppendReq.ProposedMessage {
  const message = new streams.BatchAppendReq.ProposedMessage()
    .setId(uuids.createUUID(id))
    .setData(Buffer.from(JSON.stringify(data)))
    .setCustomMetadata(Buffer.from(JSON.stringify(metadata)));
  message.getMetadataMap().set('type', type).set('content-type', 'application/json');
  return message;
}
