import type { IGossipServer } from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import gossip from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import type { IServerFeaturesServer } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import features from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import type { IStreamsServer } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import streams from '@eventstore/db-client/generated/streams_grpc_pb.js';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { append, batchAppend } from './append.ts';
import { clusterOf, supportedMethods } from './cluster.ts';
import { softDelete, tombstone } from './deletion.ts';
import { type Faults, Mishaps } from './faults.ts';
import { read } from './read.ts';
import { ServerLog } from './server-log.ts';

/** The server's own limit: an event of 16 MiB and what is around it. */
const MAX_MESSAGE_BYTES = 17 * 1024 * 1024;

export interface EventStoreDouble {
  /** Connection string. It stays the same when the server comes back. */
  readonly url: string;
  readonly faults: Faults;
  readonly log: ServerLog;
  /** Breaks all connections and leaves the port; the log stays. */
  stop(): Promise<void>;
  /** Comes back on the same port with the same log, whether it was stopped before or not. */
  restart(): Promise<void>;
}

/**
 * An EventStoreDB node for tests: it speaks the real protocol over real gRPC, follows the server's
 * rules for expected revisions, idempotency, deletion and subscriptions, and can be told to fail.
 * @param options.port a free one when absent
 */
export async function startEventStoreDouble(
  options: { port?: number } = {},
): Promise<EventStoreDouble> {
  const log = new ServerLog();
  const mishaps = new Mishaps();
  let running = await listen(log, mishaps, options.port ?? 0);
  const { port } = running;
  return {
    url: `esdb://127.0.0.1:${port}?tls=false`,
    faults: mishaps,
    log,
    stop: () => running.stop(),
    async restart() {
      await running.stop();
      log.forget();
      running = await listen(log, mishaps, port);
    },
  };
}

async function listen(log: ServerLog, mishaps: Mishaps, wanted: number) {
  const server = new Server({ 'grpc.max_receive_message_length': MAX_MESSAGE_BYTES });
  server.addService(features.ServerFeaturesService, {
    getSupportedMethods: (_, reply) => reply(null, supportedMethods()),
  } satisfies IServerFeaturesServer);
  server.addService(gossip.GossipService, {
    read: (_, reply) => reply(null, clusterOf(port)),
  } satisfies IGossipServer);
  server.addService(streams.StreamsService, {
    read: read(log, mishaps),
    append: append(log, mishaps),
    batchAppend: batchAppend(log, mishaps),
    delete: softDelete(log),
    tombstone: tombstone(log),
  } satisfies IStreamsServer);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${wanted}`, ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return {
    port,
    stop: () =>
      new Promise<void>((resolve) => {
        server.tryShutdown(() => resolve());
        server.forceShutdown();
      }),
  };
}
