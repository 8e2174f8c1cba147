import { assert } from 'vitest';
import {
  LocalDomain,
  Message,
  NewNode,
  ReceivedType,
  ResourceUser,
  SendStatus,
  type Handle,
  type Node,
  type Peer,
  type Received,
  type Sink,
  type Trace,
} from '#core/index.js';
import {
  NaiveDomain,
  type NaiveArrival,
  type NaiveHandle,
  type NaiveNode,
  type NaivePeer,
} from './naive-domain.js';
import type { Random } from './random.js';

const STEPS = 150;
const QUEUED_PEERS = 3;
const SINK_PEERS = 3;
const ROOMY = { objects: 2 ** 24, bytes: 2 ** 30, descriptors: 2 ** 16 };

/** What the real domain told a peer; nodes are known by their context, which is their naive twin. */
interface Arrival {
  readonly what: NaiveArrival['what'];
  readonly node?: unknown;
  readonly label?: number;
  readonly handles: readonly Handle[];
}

class Recorder implements Sink {
  arrivals: Arrival[] = [];

  accept(node: Node, message: Message, trace: Trace): void {
    const handles = message.received.slice(0, message.receivedCount);
    this.arrivals.push({
      what: 'USER',
      node: node.context,
      label: labelOf(message.copyBytes()),
      handles,
    });
    trace.discharge(1, message.lengthBytes, 0);
  }

  nodeReleased(handle: Handle): void {
    this.arrivals.push({ what: 'NODE_RELEASE', handles: [handle] });
  }

  handleReleased(node: Node): void {
    this.arrivals.push({ what: 'HANDLE_RELEASE', node: node.context, handles: [] });
  }
}

function labelOf(bytes: Uint8Array): number {
  return bytes.reduce((label, byte) => label * 256 + byte, 0);
}

function fromQueue(entry: Received): Arrival {
  if (entry.type === ReceivedType.NodeRelease) {
    return { what: 'NODE_RELEASE', handles: [entry.handle] };
  }
  const node = entry.node.context;
  if (entry.type === ReceivedType.HandleRelease)
    return { what: 'HANDLE_RELEASE', node, handles: [] };
  return { what: 'USER', node, label: labelOf(entry.bytes), handles: entry.handles };
}

/** A real peer and its naive twin. */
interface Twin {
  readonly naive: NaivePeer;
  readonly peer: Peer;
  readonly recorder: Recorder | null;
  readonly usedIds: Set<number>;
}

/** The same random operations on a local domain and on the naive one, compared after each. */
export class Fuzz {
  private readonly real = new LocalDomain();
  private readonly naive = new NaiveDomain();
  private readonly users = [new ResourceUser(1, ROOMY), new ResourceUser(2, ROOMY)];
  private readonly twins = new Map<NaivePeer, Twin>();
  private readonly realNodes = new Map<NaiveNode, Node>();
  private readonly realHandles = new Map<NaiveHandle, Handle>();
  /** handles of peers with a queue that are gone: nothing may bring them back */
  private readonly gone: { peer: Peer; handle: Handle }[] = [];
  private readonly message = new Message();
  private readonly random: Random;
  private label = 0;

  constructor(random: Random) {
    this.random = random;
    for (let i = 0; i < QUEUED_PEERS + SINK_PEERS; i++) this.open(`peer ${i}`, i < QUEUED_PEERS);
  }

  /** Throws at the first difference; returns what is left when all peers have closed. */
  run() {
    for (let i = 0; i < STEPS; i++) {
      this.step();
      this.compare();
    }
    for (const twin of this.random.shuffled([...this.twins.values()])) {
      this.close(twin);
      this.compare();
    }
    const { peers, nodes, handles } = this.real.counters;
    return { peers, nodes, handles, charged: this.real.chargedTo(this.users) };
  }

  private open(name: string, hasQueue: boolean): void {
    const recorder = hasQueue ? null : new Recorder();
    const user = this.random.pick(this.users);
    const peer = this.real.openPeer(recorder === null ? { user } : { user, sink: recorder });
    const naive = this.naive.openPeer(name, hasQueue);
    this.twins.set(naive, { naive, peer, recorder, usedIds: new Set() });
  }

  private step(): void {
    const twin = this.random.pick([...this.twins.values()]);
    const dice = this.random.below(100);
    if (dice < 25) this.create(twin);
    else if (dice < 33) this.copy(twin);
    else if (dice < 65) this.send(twin);
    else if (dice < 80) this.release(twin);
    else if (dice < 98 || this.twins.size < 3) this.receive(twin);
    else this.close(twin);
  }

  private create(twin: Twin): void {
    const to = this.random.pick([...this.twins.values()]);
    const oneShot = this.random.chance(0.6);
    const { node, handle } = twin.peer.createNode(to.peer, oneShot);
    const naive = this.naive.createNode(twin.naive, to.naive, oneShot);
    this.learnNode(naive.node, node);
    this.learnHandle(naive.handle, handle);
  }

  private copy(twin: Twin): void {
    const held = this.naive.heldBy(twin.naive);
    if (held.length === 0) return;
    const to = this.random.pick([...this.twins.values()]);
    const original = this.random.pick(held);
    const copy = twin.peer.copyHandle(this.realHandles.get(original)!, to.peer);
    this.learnHandle(this.naive.copyHandle(original, to.naive), copy);
  }

  private send(twin: Twin): void {
    const held = this.naive.heldBy(twin.naive);
    const through = this.someOf(held, 4);
    const message = {
      label: ++this.label,
      transfers: this.someOf(held, 2),
      newNode: this.random.pick([NewNode.None, NewNode.Lasting, NewNode.OneShot]),
    };
    const ending = through.filter((handle) => handle.node.oneShot);
    const created = this.naive.multicast(twin.naive, through, message);
    this.fill(message.transfers, message.newNode, created);
    const handles = through.map((handle) => this.realHandles.get(handle)!);
    const status =
      handles.length === 1 && this.random.chance(0.5)
        ? twin.peer.send(handles[0], this.message)
        : twin.peer.multicast(handles, handles.length, this.message);
    assert.equal(status, SendStatus.Sent);
    if (created !== null && this.naive.nodes.has(created)) {
      this.learnNode(created, this.message.createdNode!);
    }
    for (const handle of ending) this.bury(handle);
  }

  private fill(
    transfers: readonly NaiveHandle[],
    newNode: NewNode,
    context: NaiveNode | null,
  ): void {
    this.message.clear();
    const bytes = Uint8Array.of(0, this.label >> 16, this.label >> 8, this.label);
    this.message.addPiece(bytes, 1, 2);
    this.message.addPiece(bytes, 3, 1);
    for (const handle of transfers) this.message.addTransfer(this.realHandles.get(handle)!);
    this.message.newNode = newNode;
    this.message.newNodeContext = context;
  }

  private release(twin: Twin): void {
    const usedUp = twin.naive.arrivals.flatMap((it) => (it.what === 'USER' ? [it.node] : []));
    const nodes = this.someOf([...this.naive.nodesOf(twin.naive), ...usedUp], 2);
    const handles = this.someOf(this.naive.heldBy(twin.naive), 3);
    twin.peer.release(
      ...handles.map((handle) => this.realHandles.get(handle)!),
      ...nodes.map((node) => this.realNodes.get(node)!),
    );
    this.naive.release(nodes, handles);
    for (const handle of handles) this.bury(handle);
  }

  private receive({ naive, peer }: Twin): void {
    const entry = naive.hasQueue ? peer.receive() : undefined;
    if (!naive.hasQueue) return;
    const expected = this.naive.receive(naive);
    assert.equal(entry === undefined, expected === undefined);
    if (entry === undefined || expected === undefined) return;
    this.match(expected, fromQueue(entry));
    if (expected.what === 'NODE_RELEASE') this.bury(expected.handle);
  }

  private close(twin: Twin): void {
    this.twins.delete(twin.naive);
    twin.peer.close();
    this.naive.close(twin.naive);
    this.compareSink(twin);
  }

  private compare(): void {
    for (const twin of this.twins.values()) {
      this.compareSink(twin);
      this.compareLists(twin);
    }
    assert.equal(this.real.counters.nodes, this.naive.nodes.size);
    assert.equal(this.real.counters.handles, this.naive.handles.size);
    for (const { peer, handle } of this.gone) {
      if (handle.live || peer.send(handle, this.message) !== SendStatus.BadHandle) {
        throw new Error(`handle ${handle.id} came back`);
      }
    }
  }

  /** What a sink was told in this operation. */
  private compareSink({ naive, recorder }: Twin): void {
    if (recorder === null) return;
    assert.deepEqual(
      recorder.arrivals.map(({ what }) => what),
      naive.arrivals.map(({ what }) => what),
    );
    for (const [i, expected] of naive.arrivals.entries())
      this.match(expected, recorder.arrivals[i]);
    recorder.arrivals = [];
    naive.arrivals = [];
  }

  private match(expected: NaiveArrival, actual: Arrival): void {
    const isSame =
      expected.what === actual.what &&
      (expected.what === 'NODE_RELEASE'
        ? this.realHandles.get(expected.handle) === actual.handles[0]
        : expected.node === actual.node);
    if (!isSame)
      throw new Error(`${expected.what} expected, not ${actual.what}, or another object`);
    if (expected.what !== 'USER') return;
    assert.deepEqual(
      [actual.label, actual.handles.length],
      [expected.label, expected.handles.length],
    );
    for (const [i, handle] of expected.handles.entries()) {
      this.learnHandle(handle, actual.handles[i]);
    }
  }

  /** The lists that a peer's close walks: every object once, and each as its twin says. */
  private compareLists({ naive, peer }: Twin): void {
    const nodes = new Set<Node>();
    for (let node = peer.firstNode; node !== null && !nodes.has(node); node = node.nextOwned) {
      nodes.add(node);
    }
    const handles = new Set<Handle>();
    for (let it = peer.firstHandle; it !== null && !handles.has(it); it = it.nextOwned) {
      handles.add(it);
    }
    const naiveNodes = this.naive.nodesOf(naive);
    const naiveHandles = [...this.naive.handles].filter((handle) => handle.holder === naive);
    assert.deepEqual([nodes.size, handles.size], [naiveNodes.length, naiveHandles.length]);
    const isSound =
      naiveNodes.every((node) => {
        const real = this.realNodes.get(node)!;
        const count = this.naive.handlesOf(node).length;
        return nodes.has(real) && real.live && real.owner === peer && real.handleCount === count;
      }) &&
      this.naive.heldBy(naive).every((handle) => {
        const real = this.realHandles.get(handle)!;
        return handles.has(real) && real.live && real.owner === peer;
      });
    if (!isSound) throw new Error(`the objects of ${naive.name} are not what they should be`);
  }

  private learnNode(naive: NaiveNode, real: Node): void {
    real.context = naive;
    this.realNodes.set(naive, real);
    this.useId(naive.owner, real.id);
  }

  private learnHandle(naive: NaiveHandle, real: Handle): void {
    this.realHandles.set(naive, real);
    if (this.naive.handles.has(naive)) this.useId(naive.holder, real.id);
  }

  private useId(owner: NaivePeer, id: number): void {
    const used = this.twins.get(owner)?.usedIds;
    if (used?.has(id)) throw new Error(`${owner.name} has used the ID ${id} before`);
    used?.add(id);
  }

  private bury(handle: NaiveHandle): void {
    const twin = this.twins.get(handle.holder);
    if (!handle.holder.hasQueue || twin === undefined || this.naive.handles.has(handle)) return;
    this.gone.push({ peer: twin.peer, handle: this.realHandles.get(handle)! });
    if (this.gone.length > 50) this.gone.shift();
  }

  private someOf<T>(list: readonly T[], most: number): T[] {
    const count = list.length === 0 ? 0 : this.random.below(most + 1);
    return Array.from({ length: count }, () => this.random.pick(list));
  }
}
