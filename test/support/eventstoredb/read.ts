import { once } from 'node:events';
import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import type { handleServerStreamingCall, ServerWritableStream } from '@grpc/grpc-js';
import type { Mishaps } from './faults.ts';
import {
  caughtUp,
  checkpoint,
  confirmation,
  readEvent,
  streamDeleted,
  streamName,
  streamNotFound,
  unavailable,
} from './messages.ts';
import type { ServerLog, StoredEvent } from './server-log.ts';

type Call = ServerWritableStream<ReadReq, ReadResp>;

/** Events the server looks at between two checkpoints, times the multiplier the client asks for. */
const CHECKPOINT_INTERVAL = 32;
const BACKWARDS = 1;

/** `Streams.Read`: a page of a stream or of `$all`, or a subscription to one. */
export function read(
  log: ServerLog,
  mishaps: Mishaps,
): handleServerStreamingCall<ReadReq, ReadResp> {
  return async (call) => {
    const ended = new AbortController();
    const closed = mishaps.opened(() => call.emit('error', unavailable('connection broken')));
    const end = () => {
      closed();
      ended.abort();
    };
    for (const event of ['cancelled', 'close', 'error']) call.on(event, end);

    const options = call.request.getOptions() as ReadReq.Options;
    const of = options.hasStream() ? oneStream(log, options.getStream()) : wholeLog(log, options);
    try {
      if (of.deleted) return call.emit('error', streamDeleted(of.stream));
      if (options.hasSubscription()) await subscription(call, log, of, options, ended.signal);
      else await page(call, of, options, ended.signal);
    } catch (error) {
      if (!ended.signal.aborted) throw error;
    } finally {
      end();
    }
  };
}

/** What is read: events with their key, a revision or a position, and where to begin. */
interface Source {
  readonly stream: string;
  readonly deleted: boolean;
  events(): readonly StoredEvent[] | null;
  key(event: StoredEvent): number;
  readonly from: number | 'start' | 'end';
  /** A backward read of `$all` begins before the position it is given, one of a stream with it. */
  readonly backwardsFrom: 'inclusive' | 'exclusive';
}

function oneStream(log: ServerLog, options: ReadReq.Options.StreamOptions | undefined): Source {
  const stream = streamName(options?.getStreamIdentifier());
  return {
    stream,
    deleted: log.tombstoned(stream),
    events: () => log.events(stream),
    key: ({ revision }) => revision,
    from: options?.hasStart()
      ? 'start'
      : options?.hasEnd()
        ? 'end'
        : Number(options?.getRevision()),
    backwardsFrom: 'inclusive',
  };
}

function wholeLog(log: ServerLog, options: ReadReq.Options): Source {
  const all = options.getAll();
  const position = all?.getPosition()?.getCommitPosition();
  return {
    stream: '$all',
    deleted: false,
    events: () => log.all,
    key: (event) => event.position,
    from: all?.hasStart() ? 'start' : all?.hasEnd() ? 'end' : Number(position),
    backwardsFrom: 'exclusive',
  };
}

async function page(call: Call, of: Source, options: ReadReq.Options, ended: AbortSignal) {
  const events = of.events();
  const matches = filter(options);
  const { from, key } = of;
  let wanted = events ?? [];
  if (options.getReadDirection() === BACKWARDS) {
    if (from === 'start') wanted = [];
    else if (from !== 'end') {
      wanted = wanted.filter((each) =>
        of.backwardsFrom === 'inclusive' ? key(each) <= from : key(each) < from,
      );
    }
    wanted = wanted.toReversed();
  } else {
    if (from === 'end') wanted = [];
    else if (from !== 'start') wanted = wanted.filter((each) => key(each) >= from);
  }
  if (!events) await send(call, streamNotFound(of.stream), ended);
  for (const event of wanted.filter(matches).slice(0, Number(options.getCount()))) {
    await send(call, readEvent(event), ended);
  }
  call.end();
}

/** Everything after a place, exclusively; then a word that the client has caught up; then live. */
async function subscription(
  call: Call,
  log: ServerLog,
  of: Source,
  options: ReadReq.Options,
  ended: AbortSignal,
) {
  const matches = filter(options);
  const interval =
    CHECKPOINT_INTERVAL * (options.getFilter()?.getCheckpointintervalmultiplier() || 1);
  await send(call, confirmation(), ended);

  let after = of.from === 'start' ? -1 : of.from;
  if (after === 'end') after = of.events()?.map(of.key).at(-1) ?? -1;
  let considered = 0;
  for (let live = false; ; live = true) {
    for (let event = next(of, after); event; event = next(of, after)) {
      after = of.key(event);
      if (matches(event)) await send(call, readEvent(event), ended);
      if (options.hasFilter() && ++considered % interval === 0) {
        await send(call, checkpoint(event), ended);
      }
    }
    if (!live) await send(call, caughtUp(), ended);
    if (!next(of, after)) await log.grown(ended);
  }
}

/** The first event after a place: a binary search, as the keys ascend. */
function next({ events, key }: Source, after: number): StoredEvent | undefined {
  const all = events() ?? [];
  let low = 0;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (key(all[middle] as StoredEvent) > after) high = middle;
    else low = middle + 1;
  }
  return all[low];
}

function filter(options: ReadReq.Options): (event: StoredEvent) => boolean {
  const wanted = options.getFilter();
  if (!wanted) return () => true;
  const byStream = wanted.getStreamIdentifier();
  const expression = byStream ?? wanted.getEventType();
  const text = (event: StoredEvent) => (byStream ? event.stream : event.type);
  if (expression?.getRegex()) {
    const pattern = new RegExp(expression.getRegex());
    return (event) => pattern.test(text(event));
  }
  const prefixes = expression?.getPrefixList() ?? [];
  return (event) => prefixes.some((prefix) => text(event).startsWith(prefix));
}

/** Writes no faster than the client reads. */
async function send(call: Call, message: ReadResp, ended: AbortSignal): Promise<void> {
  ended.throwIfAborted();
  if (!call.write(message)) await once(call, 'drain', { signal: ended });
}
