import type {
  DeleteReq,
  DeleteResp,
  TombstoneReq,
  TombstoneResp,
} from '@eventstore/db-client/generated/streams_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { handleUnaryCall } from '@grpc/grpc-js';
import { expectedRevision, streamDeleted, streamName, wrongExpectedVersion } from './messages.ts';
import type { Outcome, ServerLog } from './server-log.ts';

/** `Streams.Delete`: the stream reads as absent and may be begun again. */
export function softDelete(log: ServerLog): handleUnaryCall<DeleteReq, DeleteResp> {
  return (call, reply) => {
    const { stream, expected } = asked(call.request.getOptions());
    const outcome = log.delete(stream, expected);
    if (outcome.is !== 'written') return reply(refusal(outcome, stream, expected));
    const at = String(outcome.position);
    const position = new streams.DeleteResp.Position().setCommitPosition(at).setPreparePosition(at);
    reply(null, new streams.DeleteResp().setPosition(position));
  };
}

/** `Streams.Tombstone`: the stream is gone for ever. */
export function tombstone(log: ServerLog): handleUnaryCall<TombstoneReq, TombstoneResp> {
  return (call, reply) => {
    const { stream, expected } = asked(call.request.getOptions());
    const outcome = log.tombstone(stream, expected);
    if (outcome.is !== 'written') return reply(refusal(outcome, stream, expected));
    const at = String(outcome.position);
    const { Position } = streams.TombstoneResp;
    const position = new Position().setCommitPosition(at).setPreparePosition(at);
    reply(null, new streams.TombstoneResp().setPosition(position));
  };
}

type Options = DeleteReq.Options | TombstoneReq.Options;

function asked(options: Options | undefined) {
  return {
    stream: streamName(options?.getStreamIdentifier()),
    expected: expectedRevision(options as Options),
  };
}

type Refusal = Exclude<Outcome, { is: 'written' }>;

function refusal(outcome: Refusal, stream: string, expected: ReturnType<typeof expectedRevision>) {
  return outcome.is === 'deleted'
    ? streamDeleted(stream)
    : wrongExpectedVersion(stream, expected, outcome.current);
}
