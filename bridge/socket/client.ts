import {
  allocateBytes,
  closeFd,
  closeReceived,
  Epoll,
  EPOLLIN,
  EPOLLOUT,
  Errno,
  errnoName,
  geteuid,
  MessageReceiver,
  randomBytes,
  waitWritable,
} from '#core/linux/index.js';
import { SaslClient } from '#bridge/sasl/client.js';
import type { SaslLinePeer } from '#bridge/sasl/line-peer.js';
import { wireFaultText } from '#bridge/wire/faults.js';
import { frameLength, MessageHeader } from '#bridge/wire/header.js';
import type { BusSocket } from './connect.js';
import { SocketOutbox } from './outbox.js';

const INPUT_BYTES = 65_536;
/** A receive buffer that grew beyond this for a large message is replaced by a smaller one after it. */
const INPUT_KEPT_BYTES = 4 * INPUT_BYTES;
/** Limit for the reads of one `dispatch`: a peer that writes without end must leave time for the others. */
const READS_MAX = 4;
/** How long `close` waits for a bus that does not read. */
const LINGER_MS = 1000;
/** unix(7), ETOOMANYREFS: too many descriptors are in flight, and no event reports when they have arrived. */
const ARRIVAL_RETRY_MS = 10;

export interface SocketEvents {
  /** authenticated: from now on messages can be sent */
  ready(): void;
  /**
   * Takes a message and has to close its `fds`; `header` and its bytes are valid until this returns. Returns false to
   * take neither, nor anything more until the next `dispatch`, which delivers this message again.
   */
  message(header: MessageHeader, fds: readonly number[]): boolean;
  /** The connection has ended, for this reason; called once, and not after `close`. */
  closed(reason: string): void;
}

/** One side of an authentication, and what it agrees on. */
export type SaslSide = SaslLinePeer & {
  readonly hasUnixFds: boolean;
  readonly guid?: string | undefined;
};

/**
 * A D-Bus connection over a socket: authentication, framing and descriptors, without the semantics of a bus.
 * It works in any event loop, or in none: `fd` is readable when `dispatch` has something to do, and `wait` blocks.
 */
export class SocketClient {
  isReady = false;
  live = true;
  guid = '';
  /** whether descriptors can be sent; known when this is ready */
  hasUnixFds = false;
  private readonly socket: number;
  private readonly events: SocketEvents;
  private readonly epoll = new Epoll(1);
  private readonly outbox = new SocketOutbox();
  private readonly receiver = new MessageReceiver();
  private readonly header = new MessageHeader();
  private readonly sasl: SaslSide;
  private input = newInput(INPUT_BYTES);
  /** where the first message that was not taken begins, and where the input ends */
  private start = 0;
  private end = 0;
  /** descriptors that arrived with the messages in the input, oldest first */
  private fds: number[] = [];
  /** `SocketEvents.message` has returned false */
  private isPaused = false;
  private isBlocked = false;
  /** waits until descriptors in flight have arrived: see `ARRIVAL_RETRY_MS` */
  private isRetrying = false;

  /** `sasl`: by default that of a client. */
  constructor(socket: BusSocket, events: SocketEvents, sasl: SaslSide = clientSide(socket)) {
    const { fd } = socket;
    this.socket = fd;
    this.events = events;
    this.sasl = sasl;
    this.epoll.add(fd, EPOLLIN);
    this.say();
  }

  /** An epoll descriptor, for an event loop. */
  get fd(): number {
    return this.epoll.fd;
  }

  /** The descriptor of the connection itself, for its credentials. */
  get socketFd(): number {
    return this.socket;
  }

  /** The longest time to sleep before the next `dispatch`; -1 means no limit. */
  get timeoutMs(): number {
    return this.isRetrying ? ARRIVAL_RETRY_MS : -1;
  }

  /** Bytes that the socket has not taken yet. */
  get waitingBytes(): number {
    return this.outbox.waitingBytes;
  }

  /** Memory for a message, which the caller fills at once; `flush` sends it, and closes `fds` if it `ownsFds`. */
  reserve(lengthBytes: number, fds?: readonly number[], ownsFds?: boolean): Uint8Array {
    return this.outbox.reserve(lengthBytes, fds, ownsFds);
  }

  /** Writes as much as the socket takes; the rest follows with the next `dispatch`. */
  flush(): void {
    if (!this.live || this.outbox.isEmpty) return;
    const errno = this.outbox.flush(this.socket);
    this.isRetrying = errno === Errno.ETOOMANYREFS;
    this.setBlocked(errno === Errno.EAGAIN);
    // The other side's last messages can still be read; the end of input ends the connection.
    const isOver = errno === Errno.EPIPE || errno === Errno.ECONNRESET;
    if (errno === 0 || this.isBlocked || this.isRetrying || isOver) return;
    this.fail(`writing to the bus failed with ${errnoName(errno)}`);
  }

  /** Reads and writes what is possible without waiting. Returns how many messages were taken. */
  dispatch(): number {
    let taken = this.deliver();
    let mayHaveMore = true;
    for (let i = 0; i < READS_MAX && this.live && !this.isPaused && mayHaveMore; i++) {
      mayHaveMore = this.read();
      if (this.live) taken += this.deliver();
    }
    this.flush();
    return taken;
  }

  /** Like `dispatch`, after waiting until there is something to do, for at most `timeoutMs` (-1: no limit). */
  wait(timeoutMs: number): number {
    this.flush();
    if (!this.live) return 0;
    const retryMs = this.timeoutMs;
    const shortest = timeoutMs < 0 || (retryMs >= 0 && retryMs < timeoutMs) ? retryMs : timeoutMs;
    this.epoll.wait(Math.ceil(shortest));
    return this.dispatch();
  }

  /** Accepts messages that arrived another way, if all before them have been taken; `takeFed` delivers them. */
  feed(bytes: Uint8Array, start: number, end: number): boolean {
    const isNext = this.isReady && this.live && !this.isPaused && this.start === this.end;
    if (!isNext || end - start > this.input.bytes.length) return false;
    this.input.bytes.set(bytes.subarray(start, end));
    this.start = 0;
    this.end = end - start;
    return true;
  }

  takeFed(): void {
    this.deliver();
  }

  /**
   * Sends the pending output, which may take up to `lingerMs`, and closes the connection. Also needed after
   * `SocketEvents.closed`, to close `fd`.
   */
  close(lingerMs = LINGER_MS): void {
    this.flush();
    const end = performance.now() + lingerMs;
    for (let leftMs = lingerMs; this.isBlocked && leftMs > 0; leftMs = end - performance.now()) {
      if (waitWritable(this.socket, Math.ceil(leftMs))) this.flush();
    }
    if (this.live) this.shut();
    this.epoll.close();
  }

  private shut(): void {
    this.live = false;
    this.isBlocked = false;
    for (const fd of this.fds.splice(0)) closeReceived(fd);
    this.outbox.close();
    this.epoll.remove(this.socket);
    closeFd(this.socket);
  }

  private fail(reason: string): void {
    if (!this.live) return;
    this.shut();
    this.events.closed(reason);
  }

  private setBlocked(isBlocked: boolean): void {
    if (isBlocked === this.isBlocked) return;
    this.isBlocked = isBlocked;
    this.epoll.modify(this.socket, isBlocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }

  /** Returns false when the socket is probably drained; epoll reports when there is more. */
  private read(): boolean {
    this.makeRoom();
    const { address, bytes } = this.input;
    const count = this.receiver.receive(this.socket, address + this.end, bytes.length - this.end);
    this.receiver.addFdsTo(this.fds);
    if (this.receiver.truncated)
      this.fail('file descriptors were lost: this process has too many open files');
    else if (count === 0) this.fail('the bus has hung up');
    else if (count < 0 && count !== -Errno.EAGAIN) this.broken(-count);
    if (count <= 0 || !this.live) return false;
    this.end += count;
    return this.end === bytes.length;
  }

  private broken(errno: number): void {
    this.fail(
      errno === Errno.ECONNRESET
        ? 'the bus has hung up'
        : `reading from the bus failed with ${errnoName(errno)}`,
    );
  }

  /** Moves the part of a message that has been read to the front of a buffer that can hold all of it. */
  private makeRoom(): void {
    const left = this.input.bytes.subarray(this.start, this.end);
    const wanted = Math.max(this.nextLength(), INPUT_BYTES);
    const has = this.input.bytes.length;
    if (wanted > has || (wanted < has && has > INPUT_KEPT_BYTES)) {
      this.input = newInput(wanted);
      this.input.bytes.set(left);
    } else if (this.start > 0) this.input.bytes.copyWithin(0, this.start, this.end);
    this.start = 0;
    this.end = left.length;
  }

  /** Length of the message that begins at `start`; 0 while it is not known, negative for a fault. */
  private nextLength(): number {
    return this.isReady ? frameLength(this.input.bytes, this.input.view, this.start, this.end) : 0;
  }

  private deliver(): number {
    let taken = 0;
    this.isPaused = false;
    if (!this.isReady) this.authenticate();
    while (this.live && this.isReady) {
      const length = this.nextLength();
      if (length < 0) this.malformed(-length);
      if (length <= 0 || length > this.end - this.start || !this.deliverOne(length)) break;
      taken++;
    }
    return taken;
  }

  private deliverOne(length: number): boolean {
    const { header, input, start } = this;
    const fault = header.scan(input.bytes, input.view, start, start + length);
    if (fault !== 0) return this.malformed(fault);
    if (header.unixFds > this.fds.length) {
      this.fail(`the bus announced ${header.unixFds} file descriptors that did not arrive`);
      return false;
    }
    this.isPaused = !this.events.message(header, this.fds.slice(0, header.unixFds));
    if (this.isPaused) return false;
    this.fds = this.fds.slice(header.unixFds);
    this.start += length;
    return this.live;
  }

  private malformed(fault: number): false {
    this.fail(`the bus sent a malformed message: ${wireFaultText(fault)}`);
    return false;
  }

  private authenticate(): void {
    const { sasl } = this;
    this.start += sasl.feed(this.input.bytes, this.start, this.end);
    this.say();
    if (sasl.failure !== undefined) return this.fail(sasl.failure.message);
    if (!sasl.isDone) return;
    this.isReady = true;
    this.guid = sasl.guid ?? '';
    this.hasUnixFds = sasl.hasUnixFds;
    this.events.ready();
  }

  private say(): void {
    const output = this.sasl.takeOutput();
    if (output.length > 0) this.reserve(output.length).set(output);
    this.flush();
  }
}

/** The authentication of a client that claims `uid`. */
export function clientSide({ guid }: BusSocket, uid = geteuid()): SaslClient {
  const expected = guid === undefined ? {} : { expectedGuid: guid };
  const sasl = { uid, wantsUnixFds: true, randomBytes, ...expected };
  return new SaslClient({ ...sasl, mechanisms: ['EXTERNAL', 'ANONYMOUS'] });
}

interface Input {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly address: number;
}

function newInput(lengthBytes: number): Input {
  const { bytes, address } = allocateBytes(lengthBytes);
  return { bytes, address, view: new DataView(bytes.buffer) };
}
