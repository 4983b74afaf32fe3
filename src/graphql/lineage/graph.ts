import type { RecordedEvent } from '../../eventstore/event-store.ts';
import { entityOf } from '../../projections/audit-log.ts';
import type { Lives, Subject } from './lives.ts';

export type NodeKind =
  | 'USER'
  | 'CLIENT'
  | 'CONSENT'
  | 'SESSION'
  | 'DEVICE_AUTHORIZATION'
  | 'BACKCHANNEL_REQUEST'
  | 'SIGNING_KEY'
  | 'GRANT'
  | 'AUTHORIZATION_CODE'
  | 'REFRESH_TOKEN'
  | 'ACCESS_TOKEN'
  | 'CLIENT_TOKEN';

export interface GraphNode {
  readonly id: string;
  readonly kind: NodeKind;
  /** Its id; of codes and tokens, their digest. */
  readonly key: string;
  /** The event with which it began. */
  readonly begun: RecordedEvent;
}

export type Relation =
  | 'GAVE'
  | 'BASIS_OF'
  | 'SCENE_OF'
  | 'GIVEN_TO'
  | 'ISSUED'
  | 'REDEEMED_FOR'
  | 'ROTATED_TO'
  | 'EXCHANGED_FOR'
  | 'HELD_BY';

/** One came of the other. */
export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  readonly relation: Relation;
}

const ENTITIES: Readonly<Record<string, NodeKind>> = {
  user: 'USER',
  client: 'CLIENT',
  consent: 'CONSENT',
  session: 'SESSION',
  device: 'DEVICE_AUTHORIZATION',
  ciba: 'BACKCHANNEL_REQUEST',
  key: 'SIGNING_KEY',
  grant: 'GRANT',
};

const ISSUED: Readonly<Record<string, NodeKind>> = {
  AuthorizationCodeIssued: 'AUTHORIZATION_CODE',
  RefreshTokenIssued: 'REFRESH_TOKEN',
  AccessTokenIssued: 'ACCESS_TOKEN',
  ClientTokenIssued: 'CLIENT_TOKEN',
};

const REDEEMED = ['AuthorizationCodeRedeemed', 'RefreshTokenRedeemed'];

type Data = Readonly<Record<string, string | null | undefined>>;
const dataOf = ({ data }: RecordedEvent): Data => data as unknown as Data;

/** The id of the node that a subject is. */
export function nodeIdOf({ kind, key }: Subject): string {
  return `${kind}:${key}`;
}

/** Everything in these lives, and what came of what. */
export function graphOf({ streams }: Pick<Lives, 'streams'>): {
  nodes: GraphNode[];
  edges: GraphEdge[];
} {
  const nodes = new Map<string, GraphNode>();
  const edges = new Map<string, GraphEdge>();
  const add = (node: GraphNode) => nodes.set(node.id, node);
  const link = (from: string, relation: Relation, to: string) =>
    edges.set(`${from} ${relation} ${to}`, { from, relation, to });

  for (const [stream, events] of streams) {
    const { category, id } = entityOf(stream);
    const kind = ENTITIES[category];
    const [begun] = events;
    if (kind && begun) add({ id: `${category}:${id}`, kind, key: id, begun });
    if (begun && category !== 'token') relate(category, id, events, link);
    const redeemed = redeemedBy(events);
    for (const event of events) {
      const issued = ISSUED[event.type];
      const { digest, exchangedFrom, clientId } = dataOf(event);
      if (!issued || !digest) continue;
      const node = `token:${digest}`;
      add({ id: node, kind: issued, key: digest, begun: event });
      if (clientId && category === 'grant') link(node, 'HELD_BY', `client:${clientId}`);
      if (category === 'token') link(`client:${clientId}`, 'ISSUED', node);
      else if (exchangedFrom) link(`token:${exchangedFrom}`, 'EXCHANGED_FOR', node);
      else {
        const before = redeemed.get(event.metadata.requestId);
        if (!before) link(`grant:${id}`, 'ISSUED', node);
        else if (before.successor === digest) link(before.node, 'ROTATED_TO', node);
        else link(before.node, 'REDEEMED_FOR', node);
      }
    }
  }
  const known = [...edges.values()].filter(({ from, to }) => nodes.has(from) && nodes.has(to));
  return { nodes: [...nodes.values()], edges: known };
}

/** What an entity came of, and what came of it, as its facts name them. */
function relate(
  category: string,
  id: string,
  events: readonly RecordedEvent[],
  link: (from: string, relation: Relation, to: string) => void,
): void {
  const self = `${category}:${id}`;
  const [first] = events;
  const { sub, clientId, sessionUid } = first ? dataOf(first) : {};
  if (category === 'consent' || category === 'session') link(`user:${sub}`, 'GAVE', self);
  if (category === 'grant') {
    link(`consent:${sub}.${clientId}`, 'BASIS_OF', self);
    link(`session:${sessionUid}`, 'SCENE_OF', self);
    link(`user:${sub}`, 'GAVE', self);
    link(self, 'GIVEN_TO', `client:${clientId}`);
  }
  if (category === 'device' || category === 'ciba') {
    for (const event of events) link(self, 'BASIS_OF', `grant:${dataOf(event).grantId}`);
  }
}

/** What each request redeemed: what it was issued came of that. */
function redeemedBy(events: readonly RecordedEvent[]) {
  return new Map(
    events
      .filter(({ type }) => REDEEMED.includes(type))
      .map((event) => {
        const { digest, successor } = dataOf(event);
        return [event.metadata.requestId, { node: `token:${digest}`, successor }] as const;
      }),
  );
}
