import type { Shim } from './shim.js';

/** Connections that had to wait and can go on, perhaps: they do before the turn is over. */
export class Waking {
  private woken: Shim[] = [];
  private unreadCount = 0;

  // hot
  get isEmpty(): boolean {
    return this.woken.length === 0;
  }

  add(shim: Shim): void {
    if (shim.isWoken) return;
    shim.isWoken = true;
    this.woken.push(shim);
  }

  /** This one has something to be read, and has to wait. */
  noteUnread(shim: Shim): void {
    if (shim.unreadAt === 0) shim.unreadAt = ++this.unreadCount;
  }

  /** What was read before goes first; then what has come meanwhile, in the order in which it came. */
  run(): void {
    const { woken } = this;
    this.woken = [];
    for (const shim of woken) if (shim.live) shim.goOn();
    woken.sort((one, other) => one.unreadAt - other.unreadAt);
    for (const shim of woken) {
      shim.isWoken = false;
      if (shim.live && shim.unreadAt > 0) shim.readable(false);
    }
  }
}
