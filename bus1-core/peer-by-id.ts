import type { DescriptorSet } from './descriptors.js';
import { Bus1Code, Bus1Error } from './errors.js';
import type { Handle } from './handle.js';
import { Message, NewNode } from './message.js';
import type { Node } from './node.js';
import { SendStatus, type Peer } from './peer.js';
import { ReceivedType, type Received } from './queue.js';

/** BUS1_INVALID: 2^64-1 in the ABI; here a number that no counter reaches. */
export const INVALID_ID = -1;

/** BUS1_TRANSFER_FLAG_CREATE */
export const TRANSFER_CREATE = 1;
/** An extension: the node that TRANSFER_CREATE makes is a one-shot node. */
export const TRANSFER_ONE_SHOT = 2;
const TRANSFER_FLAGS = TRANSFER_CREATE | TRANSFER_ONE_SHOT;

/** The most bytes of one message (linux/fs.h, MAX_RW_COUNT with pages of 4 KiB). */
const MESSAGE_MAX_BYTES = 0x7fff_f000;

/** BUS1 has no flags for commands and messages yet, and refuses any that is set. */
export interface CommandOptions {
  readonly flags?: number;
}

/** One entry of a transfer: a copy of handle `id`, or with TRANSFER_CREATE and INVALID_ID a new node. */
export interface TransferEntry {
  readonly flags: number;
  readonly id: number;
}

export interface OutgoingById extends CommandOptions {
  readonly messageFlags?: number;
  /** only USER may be sent */
  readonly type?: number;
  /** data vectors, gathered in order */
  readonly data: readonly Uint8Array[];
  /** how many of their bytes count; all by default */
  readonly dataBytes?: number;
  /** handles to copy to each receiver; flags of an entry must be 0 */
  readonly transfers?: readonly (number | TransferEntry)[];
  /** a node of the sender that is made with the message; its handle arrives as the last one (an extension) */
  readonly newNode?: NewNode;
  /** the sender keeps its own reference, and drops it (an extension) */
  readonly descriptors?: DescriptorSet;
}

export type ReceivedById =
  | {
      readonly type: typeof ReceivedType.User;
      /** the node it came in on */
      readonly id: number;
      readonly data: Uint8Array;
      /** IDs that are this peer's from now on */
      readonly transfers: readonly number[];
      /** uid of the sender's resource context */
      readonly account: number;
      readonly descriptors: DescriptorSet | null;
    }
  /** `id` is the handle whose node is gone, or the node to which no handle is left; it is invalid from now on */
  | { readonly type: 1 | 2; readonly id: number };

/** How much the receiver has room for; without limit by default. */
export interface ReceiveSpace extends CommandOptions {
  readonly messageFlags?: number;
  /** INVALID_ID: the type is for the core to fill in */
  readonly type?: number;
  readonly dataBytes?: number;
  readonly transfers?: number;
}

/** EMSGSIZE of `receive`, with the room that the message needs. */
export class MessageTooBig extends Bus1Error {
  readonly dataBytes: number;
  readonly transfers: number;

  constructor(dataBytes: number, transfers: number) {
    super(Bus1Code.EMSGSIZE, `the message has ${dataBytes} bytes and ${transfers} handles`);
    this.dataBytes = dataBytes;
    this.transfers = transfers;
  }
}

/**
 * A peer as the character device shows it: nodes and handles are numbers, errors are errno names (docs/bus1-core.md
 * has the table). This is the interface that the conformance table is written against.
 */
export class PeerById {
  readonly peer: Peer;
  private readonly objects = new Map<number, Node | Handle>();

  constructor(peer: Peer) {
    this.peer = peer;
  }

  /**
   * Gives `to` a new handle for each entry, or for none. Returns the IDs as the two arrays of the ioctl would read
   * afterwards.
   *
   * @throws Bus1Error EINVAL, EBADRQC, EBADF, EOPNOTSUPP
   */
  transfer(
    to: PeerById,
    entries: readonly TransferEntry[],
    options: CommandOptions = {},
  ): { source: number[]; target: number[] } {
    this.mustBeOpen();
    mustBeZero('command flags', options.flags);
    if (to.peer.domain !== this.peer.domain) {
      throw new Bus1Error(Bus1Code.EOPNOTSUPP, 'the target is not a peer of this domain');
    }
    to.mustBeOpen();
    for (const entry of entries) this.checkEntry(entry);
    const source: number[] = [];
    const target: number[] = [];
    for (const { flags, id } of entries) {
      if (flags & TRANSFER_CREATE) {
        const oneShot = (flags & TRANSFER_ONE_SHOT) !== 0;
        const { node, handle } = this.peer.createNode(to.peer, oneShot);
        source.push(this.remember(node));
        target.push(to.remember(handle));
      } else {
        source.push(id);
        target.push(to.remember(this.peer.copyHandle(this.handleOf(id), to.peer)));
      }
    }
    return { source, target };
  }

  /**
   * Releases nodes and handles in one transaction; an ID that is named twice is released once.
   *
   * @throws Bus1Error EINVAL; EBADRQC when any ID is unknown: then nothing was released
   */
  release(ids: readonly number[], options: CommandOptions = {}): void {
    this.mustBeOpen();
    mustBeZero('command flags', options.flags);
    const objects = [...new Set(ids)].map((id) => {
      const object = this.objects.get(id);
      if (object === undefined) throw this.unknown(id, 'node or handle');
      return object;
    });
    this.peer.releaseAll(objects);
    for (const id of ids) this.objects.delete(id);
  }

  /**
   * Releases nodes in one transaction, and still receives what was sent before (`Peer.drain`). Their IDs end with the
   * HANDLE_RELEASE after which nothing more arrives.
   *
   * @throws Bus1Error EINVAL; EBADRQC when any ID is no node of this peer: then nothing was released
   */
  drain(ids: readonly number[], options: CommandOptions = {}): void {
    this.mustBeOpen();
    mustBeZero('command flags', options.flags);
    const nodes = [...new Set(ids)].map((id) => {
      const object = this.objects.get(id);
      if (object === undefined || 'node' in object) throw this.unknown(id, 'node');
      return object;
    });
    this.peer.drainAll(nodes);
  }

  /**
   * One transaction that puts the message on each destination. Returns the ID of the node that was made with it
   * (`newNode`), or INVALID_ID.
   *
   * @throws Bus1Error EINVAL, EBADRQC, EMSGSIZE, EDQUOT: nothing was sent
   */
  send(destinations: readonly number[], outgoing: OutgoingById): number {
    this.mustBeOpen();
    mustBeZero('command flags', outgoing.flags);
    mustBeZero('message flags', outgoing.messageFlags);
    if ((outgoing.type ?? ReceivedType.User) !== ReceivedType.User) {
      throw new Bus1Error(Bus1Code.EINVAL, `messages of type ${outgoing.type} cannot be sent`);
    }
    const handles = destinations.map((id) => this.handleOf(id));
    const message = this.compose(outgoing);
    const status = this.peer.multicast(handles, handles.length, message);
    if (status === SendStatus.OverQuota) {
      throw new Bus1Error(
        Bus1Code.EDQUOT,
        `uid ${this.peer.user.uid} has used up its share of the quota of a receiver`,
      );
    }
    for (const [i, id] of destinations.entries()) {
      if (!handles[i]?.live) this.objects.delete(id);
    }
    return message.createdNode === null ? INVALID_ID : this.remember(message.createdNode);
  }

  /**
   * The oldest message or notification, or undefined when there is none (EAGAIN).
   *
   * @throws MessageTooBig (EMSGSIZE) when it does not fit into `space`: then it stays queued
   * @throws Bus1Error EINVAL
   */
  receive(space: ReceiveSpace = {}): ReceivedById | undefined {
    this.mustBeOpen();
    mustBeZero('command flags', space.flags);
    mustBeZero('message flags', space.messageFlags);
    if ((space.type ?? INVALID_ID) !== INVALID_ID) {
      throw new Bus1Error(
        Bus1Code.EINVAL,
        'the type must be INVALID_ID before a message is received',
      );
    }
    const next = this.peer.peek();
    if (next?.type === ReceivedType.User) mustFit(next, space);
    const entry = this.peer.receive();
    if (entry === undefined) return undefined;
    if (entry.type === ReceivedType.NodeRelease) return this.forget(entry.type, entry.handle.id);
    if (entry.type === ReceivedType.HandleRelease) return this.forget(entry.type, entry.node.id);
    const { live, isDraining } = entry.node;
    if (!live && !isDraining) this.objects.delete(entry.node.id);
    return {
      type: entry.type,
      id: entry.node.id,
      data: entry.bytes,
      transfers: entry.handles.map((handle) => this.remember(handle)),
      account: entry.trace.claim.claimantUid,
      descriptors: entry.descriptors,
    };
  }

  /** POLLIN */
  get readable(): boolean {
    return this.peer.readable;
  }

  close(): void {
    this.peer.close();
    this.objects.clear();
  }

  private compose(outgoing: OutgoingById): Message {
    const message = new Message();
    const bytes = gather(outgoing.data, outgoing.dataBytes);
    message.addPiece(bytes, 0, bytes.length);
    for (const entry of outgoing.transfers ?? []) {
      if (typeof entry === 'object') mustBeZero('transfer flags', entry.flags);
      message.addTransfer(this.handleOf(typeof entry === 'object' ? entry.id : entry));
    }
    message.newNode = outgoing.newNode ?? NewNode.None;
    message.descriptors = outgoing.descriptors ?? null;
    return message;
  }

  private checkEntry({ flags, id }: TransferEntry): void {
    if (flags & ~TRANSFER_FLAGS || flags === TRANSFER_ONE_SHOT) {
      throw new Bus1Error(Bus1Code.EINVAL, `transfer flags ${flags} are invalid`);
    }
    if (!(flags & TRANSFER_CREATE)) this.handleOf(id);
    else if (id !== INVALID_ID) {
      throw new Bus1Error(Bus1Code.EINVAL, `CREATE takes INVALID_ID, not the ID ${id}`);
    }
  }

  private handleOf(id: number): Handle {
    const object = this.objects.get(id);
    if (object === undefined || !('node' in object)) throw this.unknown(id, 'handle');
    return object;
  }

  private remember(object: Node | Handle): number {
    this.objects.set(object.id, object);
    return object.id;
  }

  private forget(type: 1 | 2, id: number): ReceivedById {
    this.objects.delete(id);
    return { type, id };
  }

  private unknown(id: number, what: string): Bus1Error {
    return new Bus1Error(Bus1Code.EBADRQC, `this peer has no ${what} with the ID ${id}`);
  }

  private mustBeOpen(): void {
    if (!this.peer.live) throw new Bus1Error(Bus1Code.EBADF, 'the peer is closed');
  }
}

function mustBeZero(what: string, flags = 0): void {
  if (flags !== 0) throw new Bus1Error(Bus1Code.EINVAL, `unknown ${what} ${flags}`);
}

function mustFit(entry: Extract<Received, { type: 0 }>, space: ReceiveSpace): void {
  const { dataBytes = Infinity, transfers = Infinity } = space;
  if (entry.bytes.length <= dataBytes && entry.handles.length <= transfers) return;
  throw new MessageTooBig(entry.bytes.length, entry.handles.length);
}

/** The first `dataBytes` bytes of the vectors, in memory of their own. */
function gather(vectors: readonly Uint8Array[], dataBytes?: number): Uint8Array {
  const available = vectors.reduce((sum, vector) => sum + vector.length, 0);
  const wanted = dataBytes ?? available;
  if (!(wanted >= 0 && wanted <= available && wanted <= MESSAGE_MAX_BYTES)) {
    throw new Bus1Error(
      Bus1Code.EMSGSIZE,
      `${wanted} bytes requested; the vectors hold ${available}, a message at most ${MESSAGE_MAX_BYTES}`,
    );
  }
  const bytes = new Uint8Array(wanted);
  let filled = 0;
  for (const vector of vectors) {
    const part = vector.subarray(0, wanted - filled);
    bytes.set(part, filled);
    filled += part.length;
  }
  return bytes;
}
