// A parcel ends once, in one of four ways, and whatever it held is given back.
import { describe, expect, test } from 'vitest';
import {
  CLOSED_SINK,
  DescriptorSet,
  LocalDomain,
  Message,
  NewNode,
  ResourceUser,
  SendStatus,
  type Handle,
  type Peer,
  type Sink,
  type Trace,
} from '#core/index.js';
import { contentsOf, Parcel, type HandleHolder } from '#bridge/peer/parcel.js';
import type { Quotas } from '#bridge/registry/second-try.js';
import type { Refuser } from '#bridge/peer/refusal.js';
import { Connection, NO_CREDENTIALS, NO_FIGURES } from '#bridge/registry/connection.js';
import { MessageHeader } from '#bridge/wire/header.js';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';

const MAXIMA = { objects: 1024, bytes: 65_536, descriptors: 64 };
const SERIAL = 42;

function call(flags: number): Uint8Array {
  const { MethodCall: type } = MessageType;
  const fields = { type, flags, serial: SERIAL, path: '/', member: 'Ask', signature: 's' };
  return encodeMessage(fields, ['question']);
}

const CALL = call(0);
/** A call that expects no reply: every handle that comes with it is a capability. */
const NOTICE = call(MessageFlag.NoReplyExpected);

/** What comes with the bytes. */
interface Load {
  readonly descriptors: boolean;
  readonly charge: boolean;
  readonly reply: boolean;
  readonly capability: boolean;
}

const HEAVY: Load = { descriptors: true, charge: true, reply: true, capability: true };
const PARTS = ['descriptors', 'charge', 'reply', 'capability'] as const;
const LOADS: readonly Load[] = Array.from({ length: 2 ** PARTS.length }, (_, bits) => {
  const [descriptors, charge, reply, capability] = PARTS.map((_part, i) => (bits & (1 << i)) !== 0);
  return { descriptors, charge, reply, capability };
});

function bytesOf({ reply }: Load): Uint8Array {
  return reply ? CALL : NOTICE;
}

function textOf(load: Load): string {
  return PARTS.filter((part) => load[part]).join(', ') || 'bytes only';
}

/** What a peer is told, for the caller's and the receiver's side. */
class Witness implements Sink {
  readonly told: string[] = [];
  readonly received: Handle[] = [];
  bytes: Uint8Array = new Uint8Array(0);
  descriptors: DescriptorSet | null = null;

  accept(_node: unknown, message: Message, trace: Trace): void {
    this.told.push('message');
    this.bytes = message.copyBytes();
    this.descriptors = message.descriptors?.retain() ?? null;
    this.received.push(...message.received.slice(0, message.receivedCount));
    trace.discharge(1, message.lengthBytes, message.descriptors?.count ?? 0);
  }

  nodeReleased(): void {
    this.told.push('NODE_RELEASE');
  }

  handleReleased(): void {
    this.told.push('HANDLE_RELEASE');
  }
}

/** Keeps what arrives. */
class Keeper implements Sink<unknown, HandleHolder> {
  parcel!: Parcel;
  trace!: Trace;
  isCharged = true;
  holder!: Peer;
  private readonly sender: Connection;

  constructor(sender: Connection) {
    this.sender = sender;
  }

  accept(_node: unknown, message: Message<unknown, unknown, HandleHolder>, trace: Trace): void {
    this.trace = trace;
    const contents = contentsOf(message, trace, this.holder, this.sender);
    this.parcel = new Parcel(this.isCharged ? contents : { ...contents, trace: null });
    if (!this.isCharged) {
      trace.discharge(1, message.lengthBytes, message.descriptors?.count ?? 0);
    }
  }

  nodeReleased(handle: Handle<HandleHolder>): void {
    handle.context?.lost(handle);
  }

  handleReleased(): void {}
}

/** A caller whose message has become a parcel, and a receiver that it may go to. */
class Scene implements Refuser, Quotas {
  readonly closed: number[] = [];
  readonly errors: string[] = [];
  readonly caller = new Witness();
  readonly owner = new Witness();
  readonly connection = new Connection(NO_CREDENTIALS, () => NO_FIGURES);
  readonly keeper = new Keeper(this.connection);
  /** the driver's */
  readonly peer: Peer;
  readonly calling: Peer;
  readonly holding: Peer;
  readonly receiving: Peer;
  /** whether the caller has room for the driver's error */
  hasRoom = true;
  /** whether other processes may have given quota back */
  hasOthers = true;
  onRefresh = (): void => {};
  /** to the receiver, as the registry holds it */
  readonly destination: Handle;
  readonly parcel: Parcel;
  private readonly domain = new LocalDomain();
  private readonly users = [1, 2, 3].map((uid) => new ResourceUser(uid, MAXIMA));
  private readonly atFirst: Sums;

  constructor(load: Load) {
    const { domain, users } = this;
    this.calling = domain.openPeer({ user: users[0], sink: this.caller });
    this.holding = domain.openPeer({ user: users[1], sink: this.keeper });
    this.receiving = domain.openPeer({ user: users[2], sink: this.owner });
    this.peer = domain.openPeer({ user: users[1], sink: CLOSED_SINK });
    this.receiving.takesDescriptors = true;
    this.destination = this.receiving.createNode(this.peer).handle;
    this.keeper.holder = this.holding;
    this.keeper.isCharged = load.charge;
    const { handle } = this.holding.createNode(this.calling);
    this.atFirst = this.sums();
    this.send(handle, load);
    this.parcel = this.keeper.parcel;
  }

  /** What is held and charged beyond what was there before the message was sent, and the descriptors closed. */
  left(): object {
    const [before, now] = [this.atFirst, this.sums()];
    return {
      nodes: now.nodes - before.nodes,
      handles: now.handles - before.handles,
      charged: now.charged - before.charged,
      closed: this.closed,
    };
  }

  deliver(): SendStatus {
    return this.parcel.deliver(this.destination, new Message<unknown, never>(), this);
  }

  /** Another process has meanwhile taken what it was sent. */
  refreshQuotas(): boolean {
    this.receiving.isFull = false;
    this.onRefresh();
    return this.hasOthers;
  }

  reply(
    to: Connection,
    replyHandle: Handle | undefined,
    serial: number,
    _signature: string,
    body: readonly unknown[],
    errorName: string,
  ): void {
    if (to !== this.connection) throw new Error('somebody else gets the error');
    this.errors.push(`${serial} ${errorName}: ${String(body[0])}`);
    if (replyHandle === undefined) return;
    if (this.hasRoom) mustBeSent(this.peer.send(replyHandle, new Message()));
    else this.peer.release(replyHandle);
  }

  /** The receiver is done with what was delivered. */
  finishDelivery(): void {
    this.owner.descriptors?.drop();
    this.receiving.release(...this.owner.received);
  }

  private send(handle: Handle, load: Load): void {
    const message = new Message();
    const bytes = bytesOf(load);
    message.addPiece(bytes, 0, bytes.length);
    const set = new DescriptorSet([3, 4], (fd) => this.closed.push(fd));
    if (load.descriptors) message.descriptors = set;
    const { calling } = this;
    const capability = load.capability ? calling.createNode().handle : undefined;
    if (capability !== undefined) message.addTransfer(capability);
    if (load.reply) message.newNode = NewNode.OneShot;
    this.holding.takesDescriptors = true;
    mustBeSent(calling.send(handle, message));
    if (capability !== undefined) calling.release(capability);
    if (load.descriptors) set.drop();
  }

  private sums(): Sums {
    const { nodes, handles } = this.domain.counters;
    return { nodes, handles, charged: this.domain.chargedTo(this.users) };
  }
}

interface Sums {
  readonly nodes: number;
  readonly handles: number;
  readonly charged: number;
}

function nothing(load: Load): object {
  return { nodes: 0, handles: 0, charged: 0, closed: load.descriptors ? [3, 4] : [] };
}

function mustBeSent(status: SendStatus): void {
  if (status !== SendStatus.Sent) throw new Error(`not sent: ${status}`);
}

/** Ends the parcel of a scene, and gives back what whoever has got it now holds. */
const ENDS: Readonly<Record<string, (scene: Scene) => void>> = {
  deliver(scene) {
    expect(scene.deliver()).toBe(SendStatus.Sent);
    expect(scene.owner.bytes).toEqual(scene.parcel.bytes);
    scene.finishDelivery();
  },
  take({ parcel, holding, keeper }) {
    const { descriptors, trace, reply } = parcel.take();
    expect(trace).toBe(keeper.isCharged ? keeper.trace : null);
    trace?.discharge(1, parcel.bytes.length, descriptors?.count ?? 0);
    descriptors?.drop();
    if (reply !== null) holding.release(reply);
  },
  refuse(scene) {
    scene.parcel.refuse(scene, 'org.example.No', 'why');
    expect(scene.errors).toEqual([`${SERIAL} org.example.No: why`]);
  },
  drop({ parcel }) {
    parcel.drop();
  },
};
const ENDINGS = Object.keys(ENDS);

describe.each(ENDINGS)('%s', (ending) => {
  test.each(LOADS.map((load) => [textOf(load), load] as const))('gives back: %s', (_, load) => {
    const scene = new Scene(load);
    expect(scene.closed).toEqual([]);
    ENDS[ending](scene);
    expect(scene.left()).toEqual(nothing(load));
  });

  test.each(ENDINGS)('is followed by no %s', (second) => {
    const scene = new Scene(HEAVY);
    ENDS[ending](scene);
    expect(() => ENDS[second](scene)).toThrow('has been delivered, taken, refused or dropped');
    expect(scene.left()).toEqual(nothing(HEAVY));
  });
});

describe('the reply handle', () => {
  const load = { ...HEAVY, capability: false };

  test('goes with a message that is delivered', () => {
    const scene = new Scene(load);
    scene.deliver();
    const [reply] = scene.owner.received;
    expect(scene.owner.descriptors?.fds).toEqual([3, 4]);
    expect(scene.receiving.send(reply, new Message())).toBe(SendStatus.Sent);
    expect(scene.caller.told).toEqual(['message']);
    scene.owner.descriptors?.drop();
    expect(scene.left()).toEqual(nothing(load));
  });

  test('brings the error of one that is refused', () => {
    const scene = new Scene(load);
    scene.parcel.refuse(scene, 'org.example.No', 'why');
    expect(scene.caller.told).toEqual(['message']);
  });

  test('is released when the caller has no room for the error', () => {
    const scene = new Scene(load);
    scene.hasRoom = false;
    scene.parcel.refuse(scene, 'org.example.No', 'why');
    expect(scene.caller.told).toEqual(['HANDLE_RELEASE']);
  });

  test('is released by drop: there will be no reply', () => {
    const scene = new Scene(load);
    scene.parcel.drop();
    expect(scene.caller.told).toEqual(['HANDLE_RELEASE']);
  });

  test.each(ENDINGS)('is gone when the caller has left: %s', (ending) => {
    const scene = new Scene(load);
    scene.calling.close();
    expect(scene.parcel.reply).toBeNull();
    ENDS[ending](scene);
    expect(scene.owner.received).toEqual([]);
    expect(scene.closed).toEqual([3, 4]);
  });

  test.each(['take', 'refuse', 'drop'])('is gone when its holder is closed: %s', (ending) => {
    const scene = new Scene(HEAVY);
    scene.holding.close();
    expect(scene.parcel.reply).toBeNull();
    ENDS[ending](scene);
    expect(scene.closed).toEqual([3, 4]);
    expect(scene.caller.told).toContain('HANDLE_RELEASE');
  });
});

describe('a capability in a call that expects no reply', () => {
  const load = { ...HEAVY, reply: false };

  test('is an argument', () => {
    const { parcel } = new Scene(load);
    expect([parcel.argumentCount, parcel.reply]).toEqual([1, null]);
    expect(parcel.handle(0)?.live).toBe(true);
    parcel.drop();
  });

  test('does not go on as a reply handle', () => {
    const scene = new Scene(load);
    scene.deliver();
    expect(scene.owner.received).toEqual([]);
  });

  test('is not handed over as one', () => {
    expect(new Scene(load).parcel.take().reply).toBeNull();
  });

  test('does not get the error', () => {
    const scene = new Scene(load);
    scene.parcel.refuse(scene, 'org.example.No', 'why');
    expect(scene.errors).toEqual([`${SERIAL} org.example.No: why`]);
    expect(scene.caller.told).toEqual(['HANDLE_RELEASE']);
  });
});

test('a parcel that could not be delivered can still be refused', () => {
  const scene = new Scene(HEAVY);
  scene.receiving.takesDescriptors = false;
  expect(scene.deliver()).toBe(SendStatus.NoDescriptors);
  expect(scene.closed).toEqual([]);
  ENDS.refuse(scene);
  expect(scene.left()).toEqual(nothing(HEAVY));
});

test.each([
  [true, SendStatus.Sent],
  [false, SendStatus.OverQuota],
])('has a second try when its receiver is full, with other processes: %s', (hasOthers, status) => {
  const scene = new Scene(HEAVY);
  scene.hasOthers = hasOthers;
  scene.receiving.isFull = true;
  expect(scene.deliver()).toBe(status);
});

test('a caller that leaves before the second try has no reply handle', () => {
  const scene = new Scene({ ...HEAVY, capability: false });
  scene.receiving.isFull = true;
  scene.onRefresh = () => scene.calling.close();
  expect(scene.deliver()).toBe(SendStatus.OverQuota);
  expect(scene.parcel.reply).toBeNull();
  scene.parcel.drop();
  expect(scene.closed).toEqual([3, 4]);
});

test('a parcel with an argument that ends before the second try is not delivered', () => {
  const scene = new Scene(HEAVY);
  const { parcel, calling, destination, receiving } = scene;
  receiving.isFull = true;
  scene.onRefresh = () => calling.release(parcel.handle(0)!.node);
  const message = new Message<unknown, never>();
  expect(parcel.deliver(destination, message, scene, true)).toBe(SendStatus.OverQuota);
  expect(parcel.hasLostArgument).toBe(true);
  ENDS.refuse(scene);
  expect(scene.left()).toEqual(nothing(HEAVY));
});

test('a sender that has left is not told', () => {
  const scene = new Scene(HEAVY);
  scene.connection.live = false;
  scene.parcel.refuse(scene, 'org.example.No', 'why');
  expect(scene.errors).toEqual([]);
  expect(scene.left()).toEqual(nothing(HEAVY));
});

test('a handle that was taken is not given back', () => {
  const scene = new Scene(HEAVY);
  const { parcel, holding } = scene;
  expect(parcel.handleCount).toBe(2);
  const capability = parcel.takeHandle(0)!;
  expect(parcel.handle(0)).toBeNull();
  parcel.drop();
  expect(capability.live).toBe(true);
  holding.release(capability);
  expect(scene.left()).toEqual(nothing(HEAVY));
});

describe('a copy out of a buffer', () => {
  function scanned(bytes: Uint8Array): MessageHeader {
    const header = new MessageHeader();
    expect(header.scan(bytes, new DataView(bytes.buffer, bytes.byteOffset), 0, bytes.length)).toBe(
      0,
    );
    return header;
  }

  test('is as the message was scanned, whatever happens to the buffer', () => {
    const buffer = CALL.slice();
    const header = scanned(buffer);
    const { view, fieldsEnd } = header;
    view.setUint32(12, fieldsEnd - 16 + 24, true);
    const parcel = Parcel.copy(header, null);
    buffer.fill(0);
    expect(parcel.bytes).toEqual(CALL);
    expect(parcel.serial).toBe(SERIAL);
    const again = new MessageHeader();
    expect(parcel.scan(again)).toBe(0);
    expect(again.serial).toBe(SERIAL);
  });

  test('owns its descriptors', () => {
    const closed: number[] = [];
    const set = new DescriptorSet([3], (fd) => closed.push(fd));
    const parcel = Parcel.copy(scanned(CALL), set);
    set.drop();
    expect(closed).toEqual([]);
    parcel.drop();
    expect(closed).toEqual([3]);
  });
});
