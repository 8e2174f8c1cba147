import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import {
  DescriptorSet,
  LocalDomain,
  Message,
  NewNode,
  ReceivedType,
  ResourceUser,
  SendStatus,
  type Handle,
  type Maxima,
  type Node,
  type Peer,
  type Sink,
  type Trace,
} from '#core/index.js';
import { Fuzz } from './local-domain-fuzz.js';
import { seededRandom } from './random.js';

const MAXIMA: Maxima = { objects: 1024, bytes: 65_536, descriptors: 64 };

/** A sink that writes down what it is told, and does what `during` says while it is told. */
class Witness implements Sink {
  readonly told: (readonly [string, unknown])[] = [];
  readonly received: Handle[] = [];
  during: () => void = () => {};
  takesWhenFull?: (firstByte: number) => boolean;

  accept(node: Node, message: Message, trace: Trace): void {
    this.told.push([new TextDecoder().decode(message.copyBytes()), node.context]);
    this.received.push(...message.received.slice(0, message.receivedCount));
    trace.discharge(1, message.lengthBytes, message.descriptors?.count ?? 0);
    this.during();
  }

  nodeReleased(handle: Handle): void {
    this.told.push(['NODE_RELEASE', handle.context]);
    this.during();
  }

  handleReleased(node: Node): void {
    this.told.push(['HANDLE_RELEASE', node.context]);
    this.during();
  }
}

function setUp() {
  const domain = new LocalDomain();
  const users = [new ResourceUser(1, MAXIMA), new ResourceUser(2, MAXIMA)];
  const witness = new Witness();
  const sender = domain.openPeer({ user: users[0] });
  const receiver = domain.openPeer({ user: users[1], sink: witness });
  const { node, handle } = receiver.createNode(sender);
  node.context = 'inbox';
  return { domain, users, witness, sender, receiver, node, handle };
}

function text(content: string): Message {
  const bytes = new TextEncoder().encode(content);
  const message = new Message();
  message.addPiece(bytes, 0, bytes.length);
  return message;
}

function leftOf(domain: LocalDomain, users: readonly ResourceUser[]) {
  const { peers, nodes, handles } = domain.counters;
  return { peers, nodes, handles, charged: domain.chargedTo(users) };
}

const NOTHING_LEFT = { peers: 0, nodes: 0, handles: 0, charged: 0 };

describe('a peer with a sink', () => {
  test('is told at the commit, in order, before send returns', () => {
    const { witness, sender, handle } = setUp();
    for (const content of ['one', 'two']) {
      expect(sender.send(handle, text(content))).toBe(SendStatus.Sent);
      expect(witness.told.at(-1)).toEqual([content, 'inbox']);
    }
    expect(witness.told).toHaveLength(2);
  });

  test('gets the pieces of a message gathered in order', () => {
    const { witness, sender, handle } = setUp();
    const bytes = new TextEncoder().encode('0123456789');
    const message = new Message();
    for (const [offset, length] of [
      [3, 2],
      [0, 0],
      [9, 1],
      [0, 3],
    ]) {
      message.addPiece(bytes, offset, length);
    }
    sender.send(handle, message);
    expect(witness.told).toEqual([['349012', 'inbox']]);
  });

  test.each([
    ['one piece of a message for several receivers that fits into its area', 10, 1],
    ['all pieces of one that does not', 9, 3],
  ])('gets %s', (_title, lengthBytes, pieces) => {
    const { witness, sender, handle } = setUp();
    const bytes = new TextEncoder().encode('0123456789__________');
    const message = new Message({ bytes, offset: 10, lengthBytes });
    message.addPiece(bytes, 5, 5);
    message.addPiece(new TextEncoder().encode('-foreign'), 0, 1);
    message.addPiece(bytes, 0, 4);
    expect(sender.multicast([handle, handle], 2, message)).toBe(SendStatus.Sent);
    expect(witness.told.map(([content]) => content)).toEqual(['56789-0123', '56789-0123']);
    expect(message.pieceCount).toBe(pieces);
  });

  test('never has anything to receive', () => {
    const { sender, receiver, handle } = setUp();
    sender.send(handle, text('taken'));
    expect([receiver.readable, receiver.receive(), receiver.peek()]).toEqual([
      false,
      undefined,
      undefined,
    ]);
  });

  test('is told of the end of a node that it sends to, and the handle is dead', () => {
    const { witness, sender, receiver } = setUp();
    const { node, handle } = sender.createNode(receiver);
    handle.context = 'cache entry';
    sender.release(node);
    expect(witness.told).toEqual([['NODE_RELEASE', 'cache entry']]);
    expect(receiver.send(handle, text('no'))).toBe(SendStatus.BadHandle);
  });

  test('is told when nobody can reach its node any more', () => {
    const { witness, sender, handle, node } = setUp();
    const copy = sender.copyHandle(handle);
    sender.release(handle);
    expect(witness.told).toEqual([]);
    sender.release(copy);
    expect(witness.told).toEqual([['HANDLE_RELEASE', 'inbox']]);
    expect(node.live).toBe(false);
  });

  test('gets a handle whose node is gone with the message, and is told after it', () => {
    const { witness, sender, handle, domain, users } = setUp();
    const other = domain.openPeer({ user: users[0] });
    const gone = other.createNode(sender);
    other.release(gone.node);
    const message = text('late');
    message.addTransfer(gone.handle);
    sender.send(handle, message);
    expect(witness.told).toEqual([
      ['late', 'inbox'],
      ['NODE_RELEASE', null],
    ]);
    expect(witness.received[0].live).toBe(false);
  });

  test.each(['send', 'multicast', 'release', 'createNode', 'copyHandle', 'close'] as const)(
    'may not start %s inside a transaction',
    (operation) => {
      const { domain, users, witness, sender, receiver, handle } = setUp();
      const own = receiver.createNode(receiver).handle;
      const attempts: Record<typeof operation, () => unknown> = {
        send: () => receiver.send(own, text('no')),
        multicast: () => receiver.multicast([own], 1, text('no')),
        release: () => receiver.release(own),
        createNode: () => receiver.createNode(),
        copyHandle: () => receiver.copyHandle(own),
        close: () => receiver.close(),
      };
      const before = leftOf(domain, users);
      const thrown: unknown[] = [];
      witness.during = () => {
        try {
          attempts[operation]();
        } catch (error) {
          thrown.push(error);
        }
      };
      sender.send(handle, text('go'));
      expect(thrown).toMatchObject([{ message: /inside a transaction/ }]);
      expect(leftOf(domain, users)).toEqual(before);
      expect(receiver.live).toBe(true);
      witness.during = () => {};
      sender.close();
      receiver.close();
      expect(leftOf(domain, users)).toEqual(NOTHING_LEFT);
    },
  );

  test('that is full takes nothing, but for what its sink takes all the same', () => {
    const { witness, sender, receiver, handle } = setUp();
    const send = (content: string) => [
      sender.send(handle, text(content)),
      sender.multicast([handle], 1, text(content)),
    ];
    const [both, none] = [SendStatus.Sent, SendStatus.OverQuota].map((one) => [one, one]);
    receiver.isFull = true;
    expect(send('urgent')).toEqual(none);
    witness.takesWhenFull = (firstByte) => firstByte === 'u'.charCodeAt(0);
    expect([send('urgent'), send('other'), send('')]).toEqual([both, none, none]);
    receiver.isFull = false;
    expect(send('other')).toEqual(both);
    expect(witness.told.map(([what]) => what)).toEqual(['urgent', 'urgent', 'other', 'other']);
  });

  test('that does not give back what it was sent stops its sender, and nobody else', () => {
    const { domain, users, sender } = setUp();
    const held: Trace[] = [];
    const hoarder = domain.openPeer({
      user: users[1],
      sink: { accept: (_, __, trace) => held.push(trace), nodeReleased() {}, handleReleased() {} },
    });
    const other = domain.openPeer({ user: new ResourceUser(3, MAXIMA) });
    const ofSender = hoarder.createNode(sender).handle;
    const ofOther = hoarder.createNode(other).handle;
    let sent = 0;
    while (sender.send(ofSender, text('')) === SendStatus.Sent) sent++;
    expect(sent).toBe(MAXIMA.objects / 8);
    expect(other.send(ofOther, text(''))).toBe(SendStatus.Sent);
    for (const trace of held.splice(0, sent)) trace.discharge(1, 0, 0);
    expect(sender.send(ofSender, text(''))).toBe(SendStatus.Sent);
    for (const trace of held) trace.discharge(1, 0, 0);
    for (const peer of [sender, other, hoarder]) peer.close();
    expect(domain.chargedTo(users)).toBe(0);
  });
});

describe('a peer with a queue', () => {
  test('notes each arrival, and tells by peek what receive will return', () => {
    const { domain, users } = setUp();
    let arrivals = 0;
    const peer = domain.openPeer({ user: users[0], onArrival: () => void arrivals++ });
    const { node, handle } = peer.createNode();
    peer.send(handle, text('one'));
    peer.release(handle);
    expect(arrivals).toBe(2);
    const waiting = peer.peek();
    expect(peer.receive()).toBe(waiting);
    expect(peer.receive()).toEqual({ type: ReceivedType.HandleRelease, node });
    expect(peer.readable).toBe(false);
  });
});

test('the counters tell what has happened', () => {
  const { domain, sender, receiver, handle, node } = setUp();
  const before = { ...domain.counters };
  const call = text('call');
  call.newNode = NewNode.OneShot;
  sender.multicast([handle, handle], 2, call);
  sender.release(sender.createNode(sender).handle);
  receiver.release(node);
  expect(domain.counters).toEqual({
    ...before,
    transactions: before.transactions + 4,
    messages: before.messages + 2,
    nodeReleases: before.nodeReleases + 1,
    handleReleases: before.handleReleases + 1,
    oneShotsMade: before.oneShotsMade + 1,
    nodes: before.nodes - 1 + 2,
    handles: before.handles + 2,
  });
});

describe('what is not held', () => {
  test('a handle of another peer, a released one, a foreign transfer: BadHandle', () => {
    const { sender, receiver, handle } = setUp();
    const foreign = receiver.createNode(receiver).handle;
    const released = sender.copyHandle(handle);
    sender.release(released);
    const withForeign = text('');
    withForeign.addTransfer(foreign);
    for (const bad of [foreign, released]) {
      expect(sender.send(bad, text(''))).toBe(SendStatus.BadHandle);
      expect(sender.multicast([handle, bad], 2, text(''))).toBe(SendStatus.BadHandle);
    }
    expect(sender.send(handle, withForeign)).toBe(SendStatus.BadHandle);
    expect(() => sender.release(foreign)).toThrow(/EBADRQC/);
    expect(() => sender.copyHandle(foreign)).toThrow(/EBADRQC/);
    sender.close();
    expect(sender.multicast([], 0, text(''))).toBe(SendStatus.BadHandle);
    expect(() => receiver.createNode(sender)).toThrow(/EBADF/);
  });
});

describe('descriptors', () => {
  function openSet() {
    const closed: number[] = [];
    return { closed, set: new DescriptorSet([3, 4], (fd) => closed.push(fd)) };
  }

  test('stay the property of the sender until it drops them, then of the last receiver', () => {
    const { domain, users } = setUp();
    const peer = domain.openPeer({ user: users[0] });
    const { handle } = peer.createNode();
    const { closed, set } = openSet();
    const message = text('');
    message.descriptors = set;
    peer.multicast([handle, handle], 2, message);
    set.drop();
    for (const expected of [[], [3, 4]]) {
      const entry = peer.receive();
      if (entry?.type === ReceivedType.User) entry.descriptors?.drop();
      expect(closed).toEqual(expected);
    }
    set.drop();
    expect(closed).toEqual([3, 4]);
    peer.close();
  });

  test('are untouched by a refused send', () => {
    const { sender, handle } = setUp();
    const { closed, set } = openSet();
    const message = text('');
    message.descriptors = new DescriptorSet(
      Array.from({ length: 60 }, () => 9),
      () => {},
    );
    expect(sender.send(handle, message)).toBe(SendStatus.OverQuota);
    message.descriptors = set;
    sender.release(handle);
    expect(sender.send(handle, message)).toBe(SendStatus.BadHandle);
    expect(closed).toEqual([]);
    set.drop();
    expect(closed).toEqual([3, 4]);
  });
});

const FUZZ_RUNS = 400;

test('random operations of peers with queues and with sinks do what a naive domain does', () => {
  const random = seededRandom('FUZZ_SEED', `local domain, ${FUZZ_RUNS} runs`);
  for (let i = 0; i < FUZZ_RUNS; i++) expect(new Fuzz(random).run()).toEqual(NOTHING_LEFT);
});

/** Calls `callee` and is answered through a one-shot node, over and over, with two messages for all of it. */
class RoundTrips implements Sink {
  readonly domain = new LocalDomain();
  readonly users = [new ResourceUser(1, MAXIMA), new ResourceUser(2, MAXIMA)];
  readonly caller: Peer;
  readonly callee: Peer;
  replies = 0;
  private readonly call = new Message();
  private readonly reply = new Message();
  private readonly handle: Handle;
  private readonly bytes = new Uint8Array(200);
  private replyHandle: Handle | null = null;

  constructor() {
    this.caller = this.domain.openPeer({ user: this.users[0], sink: this });
    this.callee = this.domain.openPeer({ user: this.users[1], sink: this });
    this.handle = this.callee.createNode(this.caller).handle;
  }

  run(count: number): void {
    for (let i = 0; i < count; i++) {
      this.call.clear().addPiece(this.bytes, 0, this.bytes.length);
      this.call.newNode = NewNode.OneShot;
      this.call.newNodeContext = this;
      this.caller.send(this.handle, this.call);
      this.reply.clear().addPiece(this.bytes, 0, this.bytes.length);
      this.callee.send(this.replyHandle!, this.reply);
    }
  }

  accept(node: Node, message: Message, trace: Trace): void {
    trace.discharge(1, message.lengthBytes, 0);
    if (node.owner === this.callee) this.replyHandle = message.received[0];
    else if (node.context === this) this.replies++;
  }

  nodeReleased(): void {
    throw new Error('a node went that was not released');
  }

  handleReleased(): void {
    throw new Error('a handle went that was used up');
  }
}

describe('a million calls and replies over one-shot nodes', () => {
  const WARM_UP = 200_000;
  const ROUNDS = 10;
  const ROUND = 100_000;
  const GROWTH_MAX_BYTES = 1_000_000;

  test('leave nothing behind, and allocate nothing between collections of garbage', () => {
    setFlagsFromString('--expose-gc');
    const trips = new RoundTrips();
    trips.run(WARM_UP);
    runInNewContext('gc()');
    const before = process.memoryUsage().heapUsed;
    let most = 0;
    for (let round = 0; round < ROUNDS; round++) {
      trips.run(ROUND);
      most = Math.max(most, process.memoryUsage().heapUsed - before);
    }
    expect(most).toBeLessThan(GROWTH_MAX_BYTES);
    expect(trips.replies).toBe(WARM_UP + ROUNDS * ROUND);
    expect(trips.domain.counters).toMatchObject({
      messages: 2 * trips.replies,
      oneShotsMade: trips.replies,
      oneShotsConsumed: trips.replies,
      nodeReleases: 0,
      handleReleases: 0,
    });
    expect(trips.domain.chargedTo(trips.users)).toBe(0);
    expect(trips.domain.counters).toMatchObject({ nodes: 1, handles: 1 });
  });
});
