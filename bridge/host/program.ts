import type { Host } from './host.js';
import type { Shim } from './shim.js';

/**
 * The connections of one client process, on a host whose registry is in another process. A program may send
 * something on one connection and then something on another, and rely on that order (docs/hosts.md, "Order"): so
 * while one of them waits for the registry, or while not all hosts know of the end of a closed one, the others
 * wait, too.
 */
export class Program {
  /** whether its connections have to wait */
  isSettling = false;
  private readonly host: Host;
  private readonly shims = new Set<Shim>();
  /** those that wait for the registry */
  private readonly waiting = new Set<Shim>();
  private departures = 0;

  constructor(host: Host) {
    this.host = host;
  }

  join(shim: Shim): void {
    this.shims.add(shim);
    shim.program = this;
    if (shim.isWaiting) this.waits(shim);
  }

  /** One of them waits for an answer of the registry. */
  waits(shim: Shim): void {
    this.waiting.add(shim);
    this.review();
  }

  /** It has the answer. */
  goesOn(shim: Shim): void {
    if (this.waiting.delete(shim)) this.review();
  }

  /** One of them was closed. False: it was the last. */
  leave(shim: Shim): boolean {
    this.shims.delete(shim);
    this.waiting.delete(shim);
    if (this.shims.size === 0) return false;
    this.departures++;
    this.host.registry.whenTold(() => {
      this.departures--;
      this.review();
    });
    this.review();
    return true;
  }

  private review(): void {
    const wasSettling = this.isSettling;
    this.isSettling = this.waiting.size > 0 || this.departures > 0;
    if (!wasSettling || this.isSettling) return;
    for (const shim of this.shims) this.host.waking.add(shim);
  }
}
