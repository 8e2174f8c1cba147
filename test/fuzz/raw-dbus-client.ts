import {
  allocateBytes,
  closeFd,
  connectUnix,
  Errno,
  getuid,
  MessageReceiver,
  MessageSender,
  waitReadable,
  waitWritable,
} from '#core/linux/index.js';

const PIECE_BYTES = 1 << 18;
const INPUT_BYTES = 1 << 16;

const sender = new MessageSender();
const receiver = new MessageReceiver();
const output = allocateBytes(PIECE_BYTES);
const input = allocateBytes(INPUT_BYTES);

/** A D-Bus client that reads only when it is told to, and understands nothing of what it reads. */
export class RawDBusClient {
  readonly fd: number;
  isOpen = true;
  received = 0;

  constructor(path: string) {
    this.fd = connectUnix(path);
  }

  /** One that has authenticated as its user, and can pass descriptors. */
  static open(path: string): RawDBusClient | undefined {
    const client = new RawDBusClient(path);
    const uid = Buffer.from(String(getuid())).toString('hex');
    client.send(Buffer.from(`\0AUTH EXTERNAL ${uid}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n`));
    for (let bytes = 0; bytes < 40;) {
      const count = waitReadable(client.fd, 5000) ? client.read() : 0;
      if (count <= 0) {
        client.close();
        return undefined;
      }
      bytes += count;
    }
    return client;
  }

  /** Sends all of it; false when the bus has hung up, or takes nothing for `timeoutMs`. */
  send(bytes: Uint8Array, fds: readonly number[] = [], timeoutMs = 2000): boolean {
    for (let at = 0; at < bytes.length;) {
      const count = this.trySend(bytes, at, at === 0 ? fds : []);
      if (count < 0) return false;
      if (count === 0) {
        // The bus does not read on while it has answers for a client that does not read.
        this.discardInput();
        if (!waitWritable(this.fd, timeoutMs)) return false;
      }
      at += count;
    }
    return true;
  }

  /** Sends what the socket takes at once: 0 when it is full, -1 when nobody reads it any more. */
  trySend(bytes: Uint8Array, at = 0, fds: readonly number[] = []): number {
    const length = Math.min(bytes.length - at, PIECE_BYTES);
    output.bytes.set(bytes.subarray(at, at + length));
    sender.begin();
    sender.add(output.address, length);
    for (const fd of fds) sender.addFd(fd);
    const count = sender.send(this.fd);
    if (count === -Errno.EAGAIN || count === -Errno.ETOOMANYREFS) return 0;
    if (count < 0) this.isOpen = false;
    return Math.max(count, -1);
  }

  /** The same in pieces of `pieces` bytes, 0: in one. */
  async sendSlowly(bytes: Uint8Array, pieces: number, fds: readonly number[]): Promise<boolean> {
    if (pieces === 0) return this.send(bytes, fds);
    for (let at = 0; at < bytes.length; at += pieces) {
      if (!this.send(bytes.subarray(at, at + pieces), at === 0 ? fds : [])) return false;
      if (at % 512 === 0) await new Promise(setImmediate);
    }
    return true;
  }

  /** Reads once; 0 at the end of the stream, or -errno. */
  read(): number {
    const count = receiver.receive(this.fd, input.address, INPUT_BYTES);
    for (let i = 0; i < receiver.fdCount; i++) closeFd(receiver.fds[i]);
    if (count > 0) this.received += count;
    if (count === 0) this.isOpen = false;
    return count;
  }

  discardInput(): void {
    while (this.read() > 0);
  }

  close(): void {
    closeFd(this.fd);
  }
}
