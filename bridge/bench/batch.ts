import { NativeMemory } from '#core/linux/index.js';
import type { BlockingConnection } from './blocking-connection.js';

/**
 * Ready-made messages, one behind the other in native memory: only their serials are patched before
 * sending.
 */
export class MessageBatch {
  readonly count: number;
  readonly #memory: NativeMemory;
  readonly #view: DataView;
  /** Where each message begins, and at the end where the last one ends. */
  readonly #offsets: Int32Array;

  constructor(messages: readonly Uint8Array[]) {
    const lengthBytes = messages.reduce((sum, message) => sum + message.length, 0);
    this.count = messages.length;
    this.#memory = NativeMemory.map(lengthBytes);
    this.#view = this.#memory.view;
    this.#offsets = new Int32Array(messages.length + 1);
    let at = 0;
    for (const [i, message] of messages.entries()) {
      this.#memory.bytes.set(message, at);
      at += message.length;
      this.#offsets[i + 1] = at;
    }
  }

  /** `count` copies of one message. */
  static repeat(message: Uint8Array, count: number): MessageBatch {
    return new MessageBatch(Array.from({ length: count }, () => message));
  }

  /** Gives the first `count` messages new serials and sends them with one write. */
  send(connection: BlockingConnection, count: number): void {
    const end = this.#offsets[count];
    if (end === undefined) throw new RangeError(`there are no ${count} messages`);
    for (const offset of this.#offsets.subarray(0, count)) {
      this.#view.setUint32(offset + 8, connection.serials.next(), true);
    }
    connection.sendAll(this.#memory.address, end);
  }

  free(): void {
    this.#memory.unmap();
  }
}
