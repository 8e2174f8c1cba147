import { ChannelError } from '../errors.js';
import {
  allocateBytes,
  closeFd,
  closeReceived,
  closeSocket,
  duplicate,
  Errno,
  errnoName,
  MessageReceiver,
  MessageSender,
} from '../linux/index.js';

const FRAME_HEADER_BYTES = 8; // length u32, descriptors u32
const FRAME_MAX_BYTES = 4096;
const RECEIVE_BYTES = 16_384;
/** Frames that wait for a process which does not read, before it is given up. */
const WAITING_MAX = 1024;
/** Descriptors that have arrived in front of their frames: by default, those of frames read at once. */
const DESCRIPTORS_MAX = 64;
/**
 * Marks all descriptors that this process had no room for: they belong to the frame whose other descriptors precede
 * this.
 */
const LOST = -1;

interface WaitingFrame {
  readonly bytes: Uint8Array;
  readonly address: number;
  readonly fds: readonly number[];
}

export interface ControlFrame {
  readonly message: unknown;
  /** the receiver's, to be kept or closed; none when `hasLostDescriptors` */
  readonly fds: number[];
  /** this process may open no more descriptors, so those of this frame are gone */
  readonly hasLostDescriptors: boolean;
}

/** Small messages and descriptors between the authority and a member: JSON in frames over a stream socket. */
export class ControlSocket {
  readonly fd: number;
  private readonly sender = new MessageSender();
  private readonly receiver: MessageReceiver;
  private readonly descriptorsMax: number;
  private readonly buffer = allocateBytes(RECEIVE_BYTES);
  private filled = 0;
  private readonly fds: number[] = [];
  private readonly waiting: WaitingFrame[] = [];
  private isOpen = true;
  private readsLeft = Infinity;

  /** Takes over `fd`, a non-blocking stream socket. `descriptorsMax`: more at once are a fault of the other side. */
  constructor(fd: number, descriptorsMax = DESCRIPTORS_MAX) {
    this.fd = fd;
    this.descriptorsMax = descriptorsMax;
    this.receiver = new MessageReceiver(descriptorsMax);
  }

  get open(): boolean {
    return this.isOpen;
  }

  get hasWaiting(): boolean {
    return this.waiting.length > 0;
  }

  /** Frames that the other side has not taken. */
  get waitingCount(): number {
    return this.waiting.length;
  }

  /** `fds` stay the caller's. False when the other side is gone, or has not read for too long. */
  send(message: object, fds: readonly number[] = []): boolean {
    if (!this.isOpen) return false;
    const text = Buffer.from(JSON.stringify(message), 'utf8');
    const { bytes, address } = allocateBytes(FRAME_HEADER_BYTES + text.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, bytes.length, true);
    view.setUint32(4, fds.length, true);
    bytes.set(text, FRAME_HEADER_BYTES);
    if (this.waiting.length === 0 && this.write({ bytes, address, fds })) return true;
    if (this.waiting.length === WAITING_MAX) return false;
    this.waiting.push({ bytes, address, fds: duplicateAll(fds) });
    return true;
  }

  /** Sends what waits, as far as the other side takes it. */
  flush(): void {
    for (let [frame] = this.waiting; frame !== undefined; [frame] = this.waiting) {
      if (!this.write(frame)) return;
      this.waiting.shift();
      for (const fd of frame.fds) closeFd(fd);
    }
  }

  /** From now on `receive` reads the socket at most `count` times: further input waits for another turn. */
  limitReads(count: number): void {
    this.readsLeft = count;
  }

  /**
   * The next frame; 'empty' when there is none yet, 'closed' at the end.
   *
   * @throws ChannelError for input that is not a valid frame
   */
  receive(): ControlFrame | 'empty' | 'closed' {
    for (;;) {
      const frame = this.takeFrame();
      if (frame !== undefined) return frame;
      if (this.readsLeft-- <= 0) return 'empty';
      const room = RECEIVE_BYTES - this.filled;
      const count = this.receiver.receive(this.fd, this.buffer.address + this.filled, room);
      this.receiver.addFdsTo(this.fds);
      // A read ends behind the first frame that comes with descriptors (unix_stream_read_generic, net/unix/af_unix.c).
      if (this.receiver.truncated) this.fds.push(LOST);
      if (this.fds.length > this.descriptorsMax) throw new ChannelError('too many descriptors');
      if (count === -Errno.EAGAIN) return 'empty';
      if (count <= 0) return 'closed';
      this.filled += count;
    }
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    for (const { fds } of this.waiting.splice(0)) for (const fd of fds) closeFd(fd);
    dropReceived(this.fds.splice(0));
    closeSocket(this.fd);
  }

  private takeFrame(): ControlFrame | undefined {
    if (this.filled < FRAME_HEADER_BYTES) return undefined;
    const bytes = this.buffer.bytes;
    const view = new DataView(bytes.buffer);
    const length = view.getUint32(0, true);
    const count = view.getUint32(4, true);
    if (length < FRAME_HEADER_BYTES || length > FRAME_MAX_BYTES) {
      throw new ChannelError(`a frame with an invalid length of ${length} bytes`);
    }
    if (this.filled < length) return undefined;
    const text = Buffer.from(bytes.slice(FRAME_HEADER_BYTES, length)).toString('utf8');
    // Parsed first: the descriptors of a frame that is not JSON stay in `fds`, and are closed with the socket.
    const message = parse(text);
    const fds = this.takeDescriptors(count);
    bytes.copyWithin(0, length, this.filled);
    this.filled -= length;
    return { message, fds: fds ?? [], hasLostDescriptors: fds === undefined };
  }

  /** The next `count` descriptors; undefined when some of them were lost. @throws ChannelError */
  private takeDescriptors(count: number): number[] | undefined {
    const lost = this.fds.indexOf(LOST);
    if (lost >= 0 && lost < count) {
      dropReceived(this.fds.splice(0, lost + 1));
      return undefined;
    }
    if (count > this.fds.length) throw new ChannelError('a frame without its descriptors');
    return this.fds.splice(0, count);
  }

  /**
   * True when the frame has left, or never can. A frame is far smaller than a socket's buffer: it goes in one
   * piece.
   */
  private write({ bytes, address, fds }: WaitingFrame): boolean {
    this.sender.begin();
    this.sender.add(address, bytes.length);
    for (const fd of fds) this.sender.addFd(fd);
    const count = this.sender.send(this.fd);
    if (count === bytes.length) return true;
    if (count === -Errno.EAGAIN || count === -Errno.ETOOMANYREFS) return false;
    if (count === -Errno.EPIPE || count === -Errno.ECONNRESET) return true; // the reader sees the end
    throw new ChannelError(
      `a frame could not be sent: ${count < 0 ? errnoName(-count) : 'truncated'}`,
    );
  }
}

/** @throws SystemError: then none is left open */
function duplicateAll(fds: readonly number[]): number[] {
  const copies: number[] = [];
  try {
    for (const fd of fds) copies.push(duplicate(fd));
    return copies;
  } catch (error) {
    for (const fd of copies) closeFd(fd);
    throw error;
  }
}

function dropReceived(fds: readonly number[]): void {
  for (const fd of fds) if (fd !== LOST) closeReceived(fd);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new ChannelError('a frame that is not JSON');
  }
}
