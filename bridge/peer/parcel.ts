import { SendStatus } from '#core/index.js';
import type { DescriptorSet, Handle, Message, Peer, Trace } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import { secondTry, type Quotas } from '#bridge/registry/second-try.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { EndianMark, wantsReply } from '#bridge/wire/types.js';
import { refuse, type Refuser } from './refusal.js';

/** The `context` of a handle: it is notified when the node behind it is gone. */
export interface HandleHolder {
  /** Called inside the transaction: no operation may be started. */
  lost(handle: Handle): void;
}

export type HeldHandle = Handle<HandleHolder>;

export interface ParcelContents {
  readonly bytes: Uint8Array;
  /** the parcel retains them */
  readonly descriptors: DescriptorSet | null;
  /** was charged one object, the bytes and the descriptors; null or absent: nobody was */
  readonly trace?: Trace | null;
  /** came with the message, and belong to `holder`: arguments, then the reply handle of a call that expects a reply */
  readonly handles?: readonly HeldHandle[];
  readonly holder?: Peer;
  /** gets the error when the parcel is refused */
  readonly sender?: Connection | undefined;
}

/** What has arrived at a node of `holder`, copied. Called inside the transaction. */
export function contentsOf(
  message: Message<unknown, unknown, HandleHolder>,
  trace: Trace,
  holder: Peer,
  sender?: Connection,
): ParcelContents {
  const bytes = message.copyBytes();
  const { descriptors } = message;
  const handles = message.received.slice(0, message.receivedCount);
  return { bytes, descriptors, trace, handles, holder, sender };
}

/** What a parcel has handed over. */
export interface Taken {
  /** to be dropped */
  readonly descriptors: DescriptorSet | null;
  /** to be discharged of one object, the bytes and the descriptors */
  readonly trace: Trace | null;
  /** to be released */
  readonly reply: HeldHandle | null;
}

/**
 * A message that is kept for later, with all that it holds: bytes, descriptors, what its sender is charged, and the
 * handles that came with it. It ends exactly once: by a successful `deliver`, by `take`, `refuse` or `drop`. All but
 * `take` give back whatever is left.
 */
export class Parcel implements HandleHolder {
  readonly bytes: Uint8Array;
  /** valid until the parcel ends */
  readonly descriptors: DescriptorSet | null;
  private readonly trace: Trace | null;
  private readonly holder: Peer | null;
  private readonly sender: Connection | undefined;
  /** number of handles that came as arguments; the one after them is the reply handle */
  readonly argumentCount: number;
  /** null where the node is gone, or the handle was taken */
  private readonly handles: (HeldHandle | null)[];
  private readonly view: DataView;
  private isOver = false;

  constructor(contents: ParcelContents) {
    const { bytes, descriptors, trace = null, handles = [], holder = null, sender } = contents;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.descriptors = descriptors?.retain() ?? null;
    this.trace = trace;
    this.handles = [...handles];
    const isAwaited = wantsReply({ type: bytes[1] ?? 0, flags: bytes[2] ?? 0 });
    this.argumentCount = Math.max(0, handles.length - (isAwaited ? 1 : 0));
    this.holder = holder;
    this.sender = sender;
    for (const handle of handles) handle.context = this;
  }

  /** A copy of a message as it was scanned in a buffer: charged to nobody, without handles. */
  static copy(header: MessageHeader, descriptors: DescriptorSet | null): Parcel {
    const { bytes, start, end, fieldsEnd, littleEndian } = header;
    const parcel = new Parcel({ bytes: bytes.slice(start, end), descriptors });
    /* composing a copy for monitors may have added a SENDER field to this length, in place */
    parcel.view.setUint32(12, fieldsEnd - start - 16, littleEndian);
    return parcel;
  }

  /** The serial that its sender gave it. */
  get serial(): number {
    return this.view.getUint32(8, this.bytes[0] === EndianMark.Little);
  }

  /** Reads the header. Returns 0 or a {@link WireFault}. */
  scan(header: MessageHeader): number {
    return header.scan(this.bytes, this.view, 0, this.bytes.length);
  }

  /** number of handles that came with it */
  get handleCount(): number {
    return this.handles.length;
  }

  /** Null when its node is gone, or the handle was taken. */
  handle(index: number): HeldHandle | null {
    return this.handles[index] ?? null;
  }

  /** Like `handle`, but transfers ownership to the caller. */
  takeHandle(index: number): HeldHandle | null {
    const handle = this.handle(index);
    if (handle !== null) this.handles[index] = null;
    return handle;
  }

  /** Null: no reply is expected, the caller has left, or the peer that held the handle is closed. */
  get reply(): HeldHandle | null {
    return this.holder?.live === true ? this.handle(this.argumentCount) : null;
  }

  /** Like `reply`, but transfers ownership to the caller. */
  takeReply(): HeldHandle | null {
    return this.holder?.live === true ? this.takeHandle(this.argumentCount) : null;
  }

  lost(handle: Handle): void {
    const index = this.handles.findIndex((each) => each === handle);
    if (index >= 0) this.handles[index] = null;
  }

  /** The node behind one of its arguments is gone. */
  get hasLostArgument(): boolean {
    return this.handles.slice(0, this.argumentCount).includes(null);
  }

  /**
   * Sends it, with its reply handle, to where `to` leads, which may be a handle of any peer. Once it is sent it has
   * ended; otherwise it can still be refused.
   *
   * @param withArguments the other handles are sent along, too: none of them may be lost
   */
  deliver<Note>(
    to: Handle,
    message: Message<Note, never>,
    quotas: Quotas,
    withArguments = false,
  ): SendStatus {
    this.mustNotBeOver();
    const { bytes, descriptors, reply } = this;
    const holder = this.holder!; // only what has arrived at a node can be sent on from there
    message.addPiece(bytes, 0, bytes.length);
    message.descriptors = descriptors;
    if (withArguments)
      for (let i = 0; i < this.argumentCount; i++) message.addTransfer(this.handles[i]!);
    if (reply !== null) message.addTransfer(reply);
    const through = to.owner.copyHandle(to, holder);
    let status = holder.send(through, message);
    if (status === SendStatus.OverQuota) {
      /* handles may end meanwhile, and then be used again for others */
      const isWhole = (): boolean =>
        this.reply === reply && !(withArguments && this.hasLostArgument);
      const refreshQuotas = (): boolean => quotas.refreshQuotas() && isWhole();
      status = secondTry(holder, through, message, { refreshQuotas });
    }
    holder.release(through);
    if (status === SendStatus.Sent) this.end();
    return status;
  }

  /** Hands over what it holds. Handles other than the reply handle are released. */
  take(): Taken {
    this.mustNotBeOver();
    this.isOver = true;
    const { descriptors, trace } = this;
    const reply = this.takeReply();
    this.releaseHandles();
    return { descriptors, trace, reply };
  }

  /** Sends its sender, if still there, an error: through the reply handle, or to its inbox if no reply is expected. */
  refuse(driver: Refuser, errorName: string, text: string): void {
    this.mustNotBeOver();
    refuse(driver, this.sender, this.takeReply(), this.serial, errorName, text);
    this.end();
  }

  /** Gives back all that it holds, and tells nobody. */
  drop(): void {
    this.end();
  }

  private end(): void {
    this.mustNotBeOver();
    this.isOver = true;
    this.trace?.discharge(1, this.bytes.length, this.descriptors?.count ?? 0);
    this.descriptors?.drop();
    this.releaseHandles();
  }

  private releaseHandles(): void {
    const left = this.handles.splice(0).filter((handle) => handle !== null);
    /* the handles of a closed peer are gone already */
    if (left.length > 0 && this.holder?.live === true) this.holder.releaseAll(left);
  }

  private mustNotBeOver(): void {
    if (this.isOver) throw new Error('this parcel has been delivered, taken, refused or dropped');
  }
}
