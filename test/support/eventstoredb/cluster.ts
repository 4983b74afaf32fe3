import type { ClusterInfo } from '@eventstore/db-client/generated/gossip_pb.js';
import gossip from '@eventstore/db-client/generated/gossip_pb.js';
import type { SupportedMethods } from '@eventstore/db-client/generated/serverfeatures_pb.js';
import features from '@eventstore/db-client/generated/serverfeatures_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';

const SERVICE = 'event_store.client.streams.streams';
const METHODS = ['read', 'append', 'batchappend', 'delete', 'tombstone'];

/** `ServerFeatures.GetSupportedMethods`: names in lower case, as the server sends them. */
export function supportedMethods(): SupportedMethods {
  return new features.SupportedMethods().setEventStoreServerVersion('24.10.0').setMethodsList(
    METHODS.map((name) =>
      new features.SupportedMethod()
        .setServiceName(SERVICE)
        .setMethodName(name)
        .setFeaturesList(name === 'read' ? ['position', 'events'] : []),
    ),
  );
}

/** `Gossip.Read`: a cluster of one node, which leads it. */
export function clusterOf(port: number): ClusterInfo {
  return new gossip.ClusterInfo().setMembersList([
    new gossip.MemberInfo()
      .setInstanceId(new shared.UUID().setString(crypto.randomUUID()))
      .setTimeStamp(String(Date.now() * 10_000))
      .setState(gossip.MemberInfo.VNodeState.LEADER)
      .setIsAlive(true)
      .setHttpEndPoint(new gossip.EndPoint().setAddress('127.0.0.1').setPort(port)),
  ]);
}
