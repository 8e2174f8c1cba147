import {
  allocateBytes,
  closeFd,
  connectUnix,
  createMemfd,
  Errno,
  MessageReceiver,
  MessageSender,
  Seal,
  sealMemfd,
  SharedMapping,
  waitReadable,
} from '#core/linux/index.js';
import { RawChannel, type ChannelFrame } from './raw-channel.js';

const FRAME_HEADER = 8;
const INPUT_BYTES = 1 << 16;
const PAGE_BYTES = 4096;
export const MAXIMA = { objects: 65_536, bytes: 2 ** 28, descriptors: 1024 };

type Frame = { readonly kind?: string; readonly peer?: number } & Record<string, unknown>;

/** A process in the domain that says to the authority, and writes into its rings, whatever it is told to. */
export class RawMember {
  readonly fd: number;
  readonly page: SharedMapping;
  readonly channels = new Map<number, RawChannel>();
  /** what the authority has said */
  readonly frames: Frame[] = [];
  id = 0;
  root = 0;
  isOpen = true;
  /** says `ready` to each channel that it gets first */
  isReady = true;
  readonly pageFd: number;
  private readonly input = allocateBytes(INPUT_BYTES);
  private filled = 0;
  private readonly fds: number[] = [];
  private readonly sender = new MessageSender();
  private readonly receiver = new MessageReceiver();

  constructor(path: string) {
    this.fd = connectUnix(path);
    this.pageFd = createMemfd('hostile-page', PAGE_BYTES);
    this.page = SharedMapping.map(this.pageFd, PAGE_BYTES, { writable: true });
    sealMemfd(this.pageFd, Seal.Shrink | Seal.Grow | Seal.FutureWrite | Seal.Seal);
  }

  /** A member that has been admitted and introduced to the process with the root node. */
  static join(path: string, timeoutMs = 5000): RawMember | undefined {
    const member = new RawMember(path);
    member.hello();
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline && member.isOpen) {
      member.pump(100);
      if (member.id !== 0 && member.channels.has(member.root)) return member;
    }
    member.close();
    return undefined;
  }

  hello(): void {
    this.say({ kind: 'hello', version: 1, maxima: MAXIMA }, [this.pageFd]);
  }

  /** A frame with this object, or these bytes, in it. */
  say(
    content: unknown,
    fds: readonly number[] = [],
    options: { length?: number; count?: number } = {},
  ): void {
    const text =
      content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content) ?? '');
    const { bytes, address } = allocateBytes(FRAME_HEADER + text.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, (options.length ?? bytes.length) >>> 0, true);
    view.setUint32(4, (options.count ?? fds.length) >>> 0, true);
    bytes.set(text, FRAME_HEADER);
    this.sender.begin();
    this.sender.add(address, bytes.length);
    for (const fd of fds) this.sender.addFd(fd);
    const sent = this.sender.send(this.fd);
    if (sent < 0 && sent !== -Errno.EAGAIN) this.isOpen = false;
  }

  /** Takes what the authority has said, for as long as something comes within `timeoutMs`. */
  pump(timeoutMs = 0): void {
    while (this.isOpen && waitReadable(this.fd, timeoutMs)) {
      const { address, bytes } = this.input;
      const count = this.receiver.receive(
        this.fd,
        address + this.filled,
        bytes.length - this.filled,
      );
      for (let i = 0; i < this.receiver.fdCount; i++) this.fds.push(this.receiver.fds[i]);
      if (count <= 0) {
        this.isOpen = false;
        return;
      }
      this.filled += count;
      while (this.takeFrame());
      timeoutMs = 0;
    }
  }

  /** A channel to another process; undefined when there is none within that time. */
  introduce(peer: number, timeoutMs = 500): RawChannel | undefined {
    const known = this.channels.get(peer);
    if (known?.isOpen) return known;
    this.frames.length = 0;
    this.say({ kind: 'introduce', peer });
    const deadline = performance.now() + timeoutMs;
    while (this.isOpen && performance.now() < deadline) {
      this.pump(50);
      const channel = this.channels.get(peer);
      if (channel?.isOpen) return channel;
      if (this.frames.some((frame) => frame.kind === 'refused' && frame.peer === peer)) break;
    }
    return undefined;
  }

  close(): void {
    for (const channel of this.channels.values()) channel.close();
    this.channels.clear();
    if (this.page.address === 0) return;
    this.isOpen = false;
    closeFd(this.fd);
    closeFd(this.pageFd);
    for (const fd of this.fds.splice(0)) closeFd(fd);
    this.page.unmap();
  }

  private takeFrame(): boolean {
    const { bytes } = this.input;
    const view = new DataView(bytes.buffer);
    if (this.filled < FRAME_HEADER) return false;
    const length = view.getUint32(0, true);
    const count = view.getUint32(4, true);
    if (this.filled < length || this.fds.length < count) return false;
    const text = Buffer.from(bytes.slice(FRAME_HEADER, length)).toString('utf8');
    bytes.copyWithin(0, length, this.filled);
    this.filled -= length;
    this.take(JSON.parse(text) as Frame, this.fds.splice(0, count));
    return true;
  }

  private take(frame: Frame, fds: readonly number[]): void {
    this.frames.push(frame);
    if (frame.kind === 'welcome') {
      this.id = Number(frame['id']);
      this.root = Number(frame['root']);
    } else if (frame.kind === 'channel') {
      const channel = new RawChannel(frame as unknown as ChannelFrame, fds);
      this.channels.get(channel.peer)?.close();
      this.channels.set(channel.peer, channel);
      if (frame['isFirst'] === true && this.isReady)
        this.say({ kind: 'ready', peer: channel.peer });
    } else for (const fd of fds) closeFd(fd);
  }
}
