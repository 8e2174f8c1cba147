import { emptyList } from '#core/stable-shape.js';

import type { Shim } from './shim.js';

/** Connections that had to wait and may be able to go on, which they then do before the turn is over. */
export class Waking {
  private woken = emptyList<Shim>();
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

  /** `shim` has input to be read, but has to wait. */
  noteUnread(shim: Shim): void {
    if (shim.unreadAt === 0) shim.unreadAt = ++this.unreadCount;
  }

  /** Processes what was read before first; then what has arrived meanwhile, in the order of arrival. */
  run(): void {
    const { woken } = this;
    this.woken = emptyList();
    for (const shim of woken) {
      /* before it goes on: what it waits for next may arrive while the others of this run are served */
      shim.isWoken = false;
      if (shim.live) shim.goOn();
    }
    woken.sort((one, other) => one.unreadAt - other.unreadAt);
    for (const shim of woken) if (shim.live && shim.unreadAt > 0) shim.readable(false);
  }
}
