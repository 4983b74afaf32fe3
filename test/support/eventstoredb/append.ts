import codes from '@eventstore/db-client/generated/code_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import type { Status } from '@eventstore/db-client/generated/status_pb.js';
import statuses from '@eventstore/db-client/generated/status_pb.js';
import type {
  AppendReq,
  AppendResp,
  BatchAppendReq,
  BatchAppendResp,
} from '@eventstore/db-client/generated/streams_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  status,
} from '@grpc/grpc-js';
import anyMessage from 'google-protobuf/google/protobuf/any_pb.js';
import emptyMessage from 'google-protobuf/google/protobuf/empty_pb.js';
import type { Mishaps } from './faults.ts';
import {
  expectedRevision,
  proposedEvent,
  streamDeleted,
  streamName,
  unavailable,
  uuid,
} from './messages.ts';
import type { Expected, Outcome, ProposedEvent, ServerLog } from './server-log.ts';

const { AppendResp: Resp, BatchAppendResp: BatchResp } = streams;

/** `Streams.Append`: one call, one append; the options first, then an event a message. */
export function append(
  log: ServerLog,
  mishaps: Mishaps,
): handleClientStreamingCall<AppendReq, AppendResp> {
  return (call, reply) => {
    let options: AppendReq.Options | undefined;
    const events: ProposedEvent[] = [];
    call.on('data', (request: AppendReq) => {
      options ??= request.getOptions();
      const message = request.getProposedMessage();
      if (message) events.push(proposedEvent(message));
    });
    call.on('end', async () => {
      if (!options) return reply({ code: status.INVALID_ARGUMENT, details: 'no options' });
      const stream = streamName(options.getStreamIdentifier());
      const expected = expectedRevision(options);
      const end = await mishaps.befall(() => log.append(stream, expected, events));
      if (end.fate === 'unanswered') return;
      if (end.fate === 'broken') return reply(unavailable('connection broken'));
      if (end.outcome.is === 'deleted') return reply(streamDeleted(stream));
      reply(null, appendResponse(end.outcome, expected));
    });
  };
}

function appendResponse(outcome: Exclude<Outcome, { is: 'deleted' }>, expected: Expected) {
  if (outcome.is === 'written') {
    const position = String(outcome.position);
    return new Resp().setSuccess(
      new Resp.Success()
        .setCurrentRevision(String(outcome.revision))
        .setPosition(new Resp.Position().setCommitPosition(position).setPreparePosition(position)),
    );
  }
  const refusal = new Resp.WrongExpectedVersion();
  if (outcome.current === null) refusal.setCurrentNoStream(new shared.Empty());
  else refusal.setCurrentRevision(String(outcome.current));
  if (expected === 'none') refusal.setExpectedNoStream(new shared.Empty());
  else if (expected === 'exists') refusal.setExpectedStreamExists(new shared.Empty());
  else refusal.setExpectedRevision(String(expected));
  return new Resp().setWrongExpectedVersion(refusal);
}

/** `Streams.BatchAppend`: many appends over one call, told apart by their correlation ids. */
export function batchAppend(
  log: ServerLog,
  mishaps: Mishaps,
): handleBidiStreamingCall<BatchAppendReq, BatchAppendResp> {
  return (call) => {
    const pending = new Map<
      string,
      { options?: BatchAppendReq.Options; events: ProposedEvent[] }
    >();
    const broken = () => call.emit('error', unavailable('connection broken'));
    const closed = mishaps.opened(broken);
    call.on('cancelled', closed);
    call.on('error', closed);
    call.on('end', () => {
      closed();
      call.end();
    });
    call.on('data', async (request: BatchAppendReq) => {
      const correlation = uuid(request.getCorrelationId());
      const batch = pending.get(correlation) ?? { events: [] };
      pending.set(correlation, batch);
      batch.options ??= request.getOptions();
      batch.events.push(...request.getProposedMessagesList().map(proposedEvent));
      if (!request.getIsFinal() || !batch.options) return;
      pending.delete(correlation);

      const { options, events } = batch;
      const stream = streamName(options.getStreamIdentifier());
      const expected = expectedRevision(options);
      const end = await mishaps.befall(() => log.append(stream, expected, events));
      if (end.fate === 'unanswered') return;
      if (end.fate === 'broken') return broken();
      call.write(
        batchResponse(end.outcome, expected, options)
          .setCorrelationId(request.getCorrelationId())
          .setStreamIdentifier(options.getStreamIdentifier()),
      );
    });
  };
}

function batchResponse(outcome: Outcome, expected: Expected, options: BatchAppendReq.Options) {
  if (outcome.is === 'written') {
    const position = String(outcome.position);
    return new BatchResp().setSuccess(
      new BatchResp.Success()
        .setCurrentRevision(String(outcome.revision))
        .setPosition(
          new shared.AllStreamPosition().setCommitPosition(position).setPreparePosition(position),
        ),
    );
  }
  if (outcome.is === 'deleted') {
    const refusal = new shared.StreamDeleted().setStreamIdentifier(options.getStreamIdentifier());
    return new BatchResp().setError(batchError('StreamDeleted', refusal.serializeBinary()));
  }
  const refusal = new shared.WrongExpectedVersion();
  const empty = new emptyMessage.Empty();
  if (outcome.current === null) refusal.setCurrentNoStream(empty);
  else refusal.setCurrentStreamRevision(String(outcome.current));
  if (expected === 'none') refusal.setExpectedNoStream(empty);
  else if (expected === 'exists') refusal.setExpectedStreamExists(empty);
  else refusal.setExpectedStreamPosition(String(expected));
  return new BatchResp().setError(batchError('WrongExpectedVersion', refusal.serializeBinary()));
}

function batchError(name: string, detail: Uint8Array): Status {
  const details = new anyMessage.Any();
  details.pack(detail, `event_store.client.${name}`);
  return new statuses.Status()
    .setCode(codes.Code.FAILED_PRECONDITION)
    .setMessage(name)
    .setDetails(details);
}
