import {
  allocateBytes,
  closeFd,
  createMemfd,
  Doorbell,
  Errno,
  FUTEX_WAITERS_MAX,
  futexWake,
  getuid,
  MessageReceiver,
  MessageSender,
  sealMemfd,
  Seal,
  SharedMapping,
} from '#core/linux/index.js';

/**
 * The numbers of docs/shared-domain.md, "Layout", written down a second time: what writes to a ring here shares no
 * line with what reads from it.
 */
const HEADER = 256;
const HEAD = 0;
const BELL = 4;
const ATTACHED = 12;
const TAIL = 64;
const ENTRY_HEADER = 24;
export const Entry = {
  Pad: 0,
  Message: 1,
  NodeRelease: 2,
  Release: 3,
  Grant: 4,
  Claim: 5,
  Credit: 6,
  Window: 7,
  TraceEnd: 8,
  Switch: 9,
  Ask: 10,
} as const;
export const ROOT_ID = 0xffff_ffff;

export interface ChannelFrame {
  readonly kind: 'channel';
  readonly peer: number;
  readonly ringBytes: number;
  readonly isFirst: boolean;
}

export interface RawEntry {
  readonly type: number;
  readonly bytes: Uint8Array;
}

export interface EntryOptions {
  /** what the header says, if that is not the length */
  readonly length?: number | undefined;
  readonly stamp?: number | undefined;
  readonly transaction?: number | undefined;
}

export function words(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

/** The body of a message entry, with nothing wrong in it; each reference takes four words. */
export function messageTo(
  target: number,
  data: Uint8Array,
  references: readonly number[] = [],
  uid = getuid(),
): Uint8Array {
  const handles = references.length / 4;
  const head = words(target, 7, uid, handles, 0, data.length, 0, 0, 0, 0);
  const carried = new Uint8Array(Uint32Array.from(references).buffer);
  return Buffer.concat([head, carried, data]);
}

const sender = new MessageSender();
const receiver = new MessageReceiver();
const record = allocateBytes(64);

export function nowNs(): number {
  return Number(process.hrtime.bigint());
}

/** One end of a channel, in the hands of a process that need not keep any rule. */
export class RawChannel {
  readonly peer: number;
  readonly descriptors: readonly number[];
  /** what the other side has sent handles to: IDs of its nodes */
  readonly imports: number[] = [];
  capacity: number;
  head = 0;
  isOpen = true;
  private readonly own: SharedMapping;
  private mapping: SharedMapping;
  private offset: number;
  private readonly larger: SharedMapping[] = [];
  private readonly readOffset: number;
  private readonly readCapacity: number;
  private readTail = 0;
  private sentRecords = 0;
  private readonly bell: Doorbell;

  constructor(frame: ChannelFrame, fds: readonly number[]) {
    this.peer = frame.peer;
    this.descriptors = fds;
    this.bell = new Doorbell(fds[2]);
    this.capacity = frame.ringBytes;
    this.readCapacity = frame.ringBytes;
    this.own = SharedMapping.map(fds[0], 2 * (HEADER + frame.ringBytes), { writable: true });
    this.mapping = this.own;
    const second = HEADER + frame.ringBytes;
    this.offset = frame.isFirst ? 0 : second;
    this.readOffset = frame.isFirst ? second : 0;
    this.setWord(ATTACHED, 1);
  }

  setWord(offset: number, value: number): void {
    this.mapping.view.setUint32(this.offset + offset, value >>> 0, true);
  }

  /** A word of the ring that this side only reads. */
  setReadWord(offset: number, value: number): void {
    this.own.view.setUint32(this.readOffset + offset, value >>> 0, true);
  }

  get tail(): number {
    return this.mapping.view.getUint32(this.offset + TAIL, true);
  }

  get free(): number {
    return this.capacity - ((this.head - this.tail) >>> 0);
  }

  /** Writes an entry behind the last one; false when there is no room. It is seen after `publish`. */
  write(type: number, body: Uint8Array, options: EntryOptions = {}): boolean {
    const length = (ENTRY_HEADER + body.length + 7) & ~7;
    const at = this.head & (this.capacity - 1);
    const toEnd = this.capacity - at;
    if (length > this.capacity || (length > toEnd ? length + toEnd : length) > this.free) {
      return false;
    }
    if (length > toEnd) {
      this.put(at, toEnd, Entry.Pad, {});
      this.head = (this.head + toEnd) >>> 0;
    }
    const start = this.head & (this.capacity - 1);
    const base = this.offset + HEADER + start;
    this.mapping.bytes.set(body, base + ENTRY_HEADER);
    this.mapping.bytes.fill(0, base + ENTRY_HEADER + body.length, base + length);
    this.put(start, options.length ?? length, type, options);
    this.head = (this.head + length) >>> 0;
    return true;
  }

  private put(at: number, length: number, type: number, options: EntryOptions): void {
    const { view } = this.mapping;
    const base = this.offset + HEADER + at;
    view.setUint32(base, length >>> 0, true);
    view.setUint32(base + 4, type >>> 0, true);
    if (at + ENTRY_HEADER > this.capacity) return;
    view.setFloat64(base + 8, options.stamp ?? nowNs(), true);
    view.setUint32(base + 16, (options.transaction ?? 0) >>> 0, true);
    view.setUint32(base + 20, 0, true);
  }

  publish(): void {
    Atomics.store(this.mapping.words, (this.offset + HEAD) >>> 2, this.head | 0);
  }

  /** Rings both kinds of doorbell, whether the other side sleeps or not. */
  ring(): void {
    if (this.isOpen) this.bell.ring();
    const { words, address } = this.own;
    const offset = this.readOffset === 0 ? HEADER + this.readCapacity : 0;
    Atomics.add(words, (offset + BELL) >>> 2, 1);
    futexWake(address + offset + BELL, FUTEX_WAITERS_MAX);
  }

  commit(): void {
    this.publish();
    this.ring();
  }

  /** A record with descriptors, or with other numbers than it should have. */
  sendDescriptors(fds: readonly number[], sequence = this.sentRecords, count = fds.length): void {
    const view = new DataView(record.bytes.buffer);
    view.setUint32(0, sequence >>> 0, true);
    view.setUint32(4, count >>> 0, true);
    this.sentRecords++;
    this.sendBytes(8, fds);
  }

  sendBytes(length: number, fds: readonly number[]): void {
    sender.begin();
    sender.add(record.address, Math.min(length, record.bytes.length));
    for (const fd of fds) sender.addFd(fd);
    sender.send(this.descriptors[3]);
  }

  /** Announces a ring of `capacity` bytes in a memfd of `size` with `seals`, and writes into it if it can be used. */
  switchTo(capacity: number, size: number, seals: number): void {
    const fd = createMemfd('hostile-ring', size);
    if (seals !== 0) sealMemfd(fd, seals);
    this.sendDescriptors([fd]);
    const body = new Uint8Array(8);
    new DataView(body.buffer).setUint32(0, capacity, true);
    if (this.write(Entry.Switch, body)) this.publish();
    const isRing = capacity >= 1 << 16 && capacity <= 1 << 24 && (capacity & (capacity - 1)) === 0;
    if (isRing && size >= capacity + HEADER && (seals & Seal.Shrink) !== 0) {
      this.mapping = SharedMapping.map(fd, capacity + HEADER, { writable: true });
      this.larger.push(this.mapping);
      this.offset = 0;
      this.capacity = capacity;
      this.head = 0;
      this.setWord(ATTACHED, 1);
    }
    closeFd(fd);
    this.ring();
  }

  /** What the other side has written; `givesBack`: tells it that there is room again. */
  read(givesBack = true): RawEntry[] {
    const { view, bytes } = this.own;
    const head = view.getUint32(this.readOffset + HEAD, true);
    const entries: RawEntry[] = [];
    while (this.readTail !== head) {
      const base = this.readOffset + HEADER + (this.readTail & (this.readCapacity - 1));
      const length = view.getUint32(base, true);
      if (length < 8) break;
      const type = view.getUint32(base + 4, true);
      if (type !== Entry.Pad) entries.push({ type, bytes: bytes.slice(base, base + length) });
      this.readTail = (this.readTail + length) >>> 0;
    }
    if (givesBack) this.setReadWord(TAIL, this.readTail);
    for (const entry of entries) this.noteImports(entry);
    return entries;
  }

  private noteImports({ type, bytes }: RawEntry): void {
    if (type !== Entry.Message || bytes.length < 64) return;
    const view = new DataView(bytes.buffer);
    const handles = view.getUint32(36, true);
    for (let i = 0; i < handles && 64 + (i + 1) * 16 <= bytes.length; i++) {
      if ((view.getUint32(64 + i * 16, true) & 0xff) === 1) {
        this.imports.push(view.getUint32(68 + i * 16, true));
      }
    }
  }

  /** Whether the other side has hung up. */
  hasHungUp(): boolean {
    const count = receiver.receive(this.descriptors[3], record.address, record.bytes.length);
    for (let i = 0; i < receiver.fdCount; i++) closeFd(receiver.fds[i]);
    return count === 0 || (count < 0 && count !== -Errno.EAGAIN);
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    for (const fd of this.descriptors) closeFd(fd);
    this.own.unmap();
    for (const mapping of this.larger) mapping.unmap();
  }
}
