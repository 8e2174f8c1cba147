import type { Handle, Message } from '#core/index.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { decodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import type { HandleContext } from './socket-messages.js';

interface Request {
  readonly name: string;
  readonly node: Handle<HandleContext>;
}

/** Longer messages to the bus are not about names. */
const RELEASE_MAX_BYTES = 1024;

/**
 * The nodes at which this process receives messages to its own names, on a bus behind a socket: holds handles to them
 * as long as this process owns the name or waits in its queue.
 */
export class SocketOwnNames {
  private readonly release: (handles: readonly Handle[]) => void;
  private readonly nodes = new Map<string, Handle<HandleContext>>();
  /** requests that were not answered yet, by serial */
  private readonly requests = new Map<number, Request>();

  constructor(release: (handles: readonly Handle[]) => void) {
    this.release = release;
  }

  /** RequestName was sent. */
  asked(serial: number, name: string, node: Handle<HandleContext>): void {
    this.requests.set(serial, { name, node });
  }

  /** The program has given the node up. */
  ended(name: string): void {
    this.nodes.delete(name);
  }

  /** Something was sent to the bus: it may be ReleaseName. */
  noteRelease(message: Message, serial: number): void {
    if (this.nodes.size === 0 || message.lengthBytes > RELEASE_MAX_BYTES) return;
    const { member, body } = decodeMessage(message.copyBytes());
    if (member !== 'ReleaseName') return;
    const node = this.nodes.get(String(body[0]));
    if (node !== undefined) this.requests.set(serial, { name: String(body[0]), node });
  }

  /** An answer: to RequestName (1, 2 and 4: it is ours, or we are in its queue), to ReleaseName, or to others. */
  answered(header: MessageHeader): void {
    const request = this.requests.get(header.replySerial);
    if (request === undefined) return;
    this.requests.delete(header.replySerial);
    const { name, node } = request;
    const { type, body } = decodeMessage(header.bytes.slice(header.start, header.end));
    const result = type === MessageType.MethodReturn ? body[0] : -1;
    if (this.nodes.get(name) === node) {
      if (result !== -1) this.forget(name);
      return;
    }
    if (result !== 1 && result !== 2 && result !== 4) return this.release([node]);
    this.forget(name);
    node.context = name;
    if (node.live) this.nodes.set(name, node);
  }

  private forget(name: string): void {
    const node = this.nodes.get(name);
    this.nodes.delete(name);
    if (node !== undefined) this.release([node]);
  }
}
