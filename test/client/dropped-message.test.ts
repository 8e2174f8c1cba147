// What a message brings that a native peer drops is given back later, when the handles may have ended, and their
// objects be in use for others.
import { beforeEach, expect, test } from 'vitest';
import {
  LocalDomain,
  Message,
  NewNode,
  ResourceUser,
  SendStatus,
  type Handle,
  type Node,
  type Peer,
  type Sink,
  type Trace,
} from '#core/index.js';
import type { Arrival, ArrivedMessage } from '#bridge/client/contexts.js';
import type { Member } from '#bridge/client/member.js';
import { ReceivedReferences } from '#bridge/client/received-references.js';
import { ReceivingNode } from '#bridge/client/receiving-node.js';

const MAXIMA = { objects: 1024, bytes: 65_536, descriptors: 64 };

let domain: LocalDomain;
let user: ResourceUser;
let service: Peer;
let arrivals: Arrival[];
/** what happens to the next message to the service */
let take: (message: ArrivedMessage, trace: Trace) => void;
const kept: Handle[] = [];
/** nodes of callers of which no handle is left */
const unanswered: Node[] = [];

const sink = {
  accept: (_node: Node, message: Message, trace: Trace): void =>
    take(message as unknown as ArrivedMessage, trace),
  nodeReleased: (): void => {},
  handleReleased: (node: Node): void => void unanswered.push(node),
} satisfies Sink;

beforeEach(() => {
  domain = new LocalDomain();
  user = new ResourceUser(1, MAXIMA);
  service = domain.openPeer({ user, sink });
  arrivals = [];
  kept.length = 0;
  unanswered.length = 0;
});

/** What these classes need of the member of a domain. */
function member(): Member {
  const reader = { read: () => false, fault: 'it is no message' };
  return { peer: service, isOpen: true, arrivals, reader, diagnose: () => {} } as unknown as Member;
}

/** A caller sends the first bytes of a call, and its reply node, for one reply. */
function call(caller: Peer): Node {
  const { handle } = service.createNode(caller);
  const message = new Message();
  message.addPiece(Uint8Array.of(0x6c, 1, 0, 1), 0, 4);
  message.newNode = NewNode.OneShot;
  expect(caller.send(handle, message)).toBe(SendStatus.Sent);
  return message.createdNode!;
}

const WAYS: readonly (readonly [string, (message: ArrivedMessage, trace: Trace) => void])[] = [
  [
    'a message that is not valid',
    (message, trace) => new ReceivingNode(member(), {} as never).accept(message, trace),
  ],
  [
    'a capability that the body does not refer to',
    (message, trace) => {
      void new ReceivedReferences(member(), message, 1);
      trace.discharge(1, message.lengthBytes, 0);
    },
  ],
];

test.each(WAYS)('%s costs no other caller its reply', (_what, drop) => {
  const hostile = domain.openPeer({ user, sink });
  const honest = domain.openPeer({ user, sink });
  take = drop;
  call(hostile);
  hostile.close();
  take = (message, trace) => {
    kept.push(message.received[0]);
    trace.discharge(1, message.lengthBytes, 0);
  };
  const awaited = call(honest);
  for (const arrival of arrivals.splice(0)) arrival.deal();
  expect(unanswered).not.toContain(awaited);
  expect(kept[0].live).toBe(true);
});
