import type { Peer, Trace } from '#core/index.js';
import { Parcel } from '#bridge/peer/parcel.js';

import type { Said } from './service.js';

/**
 * The most signals that are kept. For an object there is one of each kind; for a call that is under way there may
 * be any number, from objects that other peers hold, although its answer brings few objects.
 */
const KEPT_MAX = 16;

/**
 * Signals that are kept until there is a subscriber, the last of each kind. The user of the peer is charged for
 * them.
 */
export class KeptSignals {
  private readonly payer: Peer;
  private trace: Trace | null = null;
  private readonly all = new Map<string, { readonly said: Said; readonly parcel: Parcel }>();

  constructor(payer: Peer) {
    this.payer = payer;
  }

  get isEmpty(): boolean {
    return this.all.size === 0;
  }

  /** A signal that is over quota is lost. */
  keep(said: Said): void {
    const { path, interface: name, member } = said.message;
    const key = [path, name, member].join(' ');
    this.drop(key);
    const [oldest] = this.all.keys();
    if (oldest !== undefined && this.all.size >= KEPT_MAX) this.drop(oldest);
    this.trace ??= this.payer.traceOf(this.payer.user);
    const { trace } = this;
    const { bytes, descriptors } = said;
    if (!trace.charge(1, bytes.length, descriptors?.count ?? 0)) return;
    this.all.set(key, { said, parcel: new Parcel({ bytes, descriptors, trace }) });
  }

  /** In the order in which they came. */
  list(): Said[] {
    return [...this.all.values()].map(({ said }) => said);
  }

  clear(): void {
    for (const key of this.all.keys()) this.drop(key);
  }

  private drop(key: string): void {
    this.all.get(key)?.parcel.drop();
    this.all.delete(key);
  }
}
