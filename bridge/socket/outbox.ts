import { allocateBytes, closeReceived, Errno, MessageSender } from '#core/linux/index.js';

/** Small messages share a chunk, and so one system call. */
const CHUNK_BYTES = 65_536;
/** The largest chunk that is kept for later messages. */
const SPARE_MAX_BYTES = 4 * CHUNK_BYTES;

interface Chunk {
  readonly bytes: Uint8Array;
  readonly address: number;
  length: number;
  sent: number;
  /** sent with the first byte */
  fds: readonly number[];
  /** the descriptors are closed once they are sent */
  ownsFds: boolean;
}

/** Bytes to be written to a socket, in memory that does not move until the kernel has taken them. */
export class SocketOutbox {
  /** bytes that the kernel has not taken yet */
  waitingBytes = 0;
  private readonly sender = new MessageSender();
  private readonly chunks: Chunk[] = [];
  /** one chunk, kept for later messages */
  private spare: Chunk | undefined;

  get isEmpty(): boolean {
    return this.waitingBytes === 0;
  }

  /**
   * Room for a message of `lengthBytes`, which the caller fills before the next `flush`: it begins where `bytes` does.
   * `fds` must stay open until it has been sent; with `ownsFds` they are closed then, or by `close`.
   */
  reserve(lengthBytes: number, fds: readonly number[] = [], ownsFds = false): Uint8Array {
    let chunk = this.chunks.at(-1);
    const isFull = chunk === undefined || chunk.length + lengthBytes > chunk.bytes.length;
    // Descriptors arrive with the bytes that they were sent with, so theirs is the first message of a chunk.
    if (chunk === undefined || isFull || fds.length > 0)
      chunk = this.addChunk(lengthBytes, fds, ownsFds);
    const start = chunk.length;
    chunk.length += lengthBytes;
    this.waitingBytes += lengthBytes;
    return chunk.bytes.subarray(start, chunk.length);
  }

  /** Writes what the socket takes. Returns 0, or the errno that stopped it: EAGAIN when the rest has to wait. */
  flush(fd: number): number {
    for (let chunk = this.chunks[0]; chunk !== undefined; chunk = this.chunks[0]) {
      const { sender } = this;
      sender.begin();
      sender.add(chunk.address + chunk.sent, chunk.length - chunk.sent);
      if (chunk.sent === 0) for (const each of chunk.fds) sender.addFd(each);
      const count = sender.send(fd);
      if (count < 0) return -count;
      if (chunk.sent === 0) closeOwned(chunk);
      chunk.sent += count;
      this.waitingBytes -= count;
      if (chunk.sent < chunk.length) return Errno.EAGAIN;
      this.chunks.shift();
      this.recycle(chunk);
    }
    return 0;
  }

  /** Drops what has not been written. */
  close(): void {
    for (const chunk of this.chunks.splice(0)) closeOwned(chunk);
    this.waitingBytes = 0;
  }

  private addChunk(lengthBytes: number, fds: readonly number[], ownsFds: boolean): Chunk {
    const { spare } = this;
    let chunk: Chunk;
    if (spare !== undefined && lengthBytes <= spare.bytes.length) {
      chunk = spare;
      chunk.fds = fds;
      chunk.ownsFds = ownsFds;
      this.spare = undefined;
    } else {
      const memory = allocateBytes(Math.max(lengthBytes, CHUNK_BYTES));
      chunk = { ...memory, length: 0, sent: 0, fds, ownsFds };
    }
    this.chunks.push(chunk);
    return chunk;
  }

  private recycle(chunk: Chunk): void {
    const { length } = chunk.bytes;
    if (length > SPARE_MAX_BYTES || length <= (this.spare?.bytes.length ?? 0)) return;
    chunk.length = 0;
    chunk.sent = 0;
    chunk.fds = [];
    this.spare = chunk;
  }
}

function closeOwned(chunk: Chunk): void {
  if (chunk.ownsFds) for (const fd of chunk.fds) closeReceived(fd);
  chunk.fds = [];
}
