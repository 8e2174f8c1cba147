import { MessageReceiver } from '#core/linux/index.js';

import type { Arena } from './arena.js';

/** The most that one system call reads: DESIGN, "The hot path". */
export const READ_BYTES = 256 * 1024;

/** Several reads of one turn fit side by side, because what was read is sent from where it lies. */
const WINDOW_BYTES = 8 * READ_BYTES;

/**
 * The memory that a host's sockets are read into. Outboxes may refer to it until the end of the turn; so each read
 * goes behind the previous one, until the window is full and `rewind` has made sure that no outbox refers to it.
 */
export class ReceiveWindow {
  readonly arena: Arena;
  readonly receiver = new MessageReceiver();
  private readonly start: number;
  private readonly end: number;
  private cursor: number;
  private readonly onFull: () => void;

  /** `onFull` must detach everything that refers to the window. */
  constructor(arena: Arena, onFull: () => void) {
    this.arena = arena;
    this.onFull = onFull;
    this.start = arena.reserve(WINDOW_BYTES);
    this.end = this.start + WINDOW_BYTES;
    this.cursor = this.start;
  }

  /** Offset of at least `lengthBytes` free bytes. */
  // hot
  open(lengthBytes: number): number {
    if (this.cursor + lengthBytes > this.end) {
      this.onFull();
      this.cursor = this.start;
    }
    return this.cursor;
  }

  /** Something refers to the bytes before `end`: the next read goes behind them. Offsets stay aligned to 8. */
  // hot
  keep(end: number): void {
    this.cursor = Math.max(this.cursor, (end + 7) & ~7);
  }

  /** No outbox refers to the window any more. */
  // hot
  rewind(): void {
    this.cursor = this.start;
  }
}
