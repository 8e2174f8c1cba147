import type { IncomingHeader } from './incoming-header.js';
import type { Transport } from './transport.js';

/**
 * Which processes may claim which sender names. The hosts of a bridge check their clients' names; for any other
 * process the bridge has announced, before that process could hold a handle to a node of this one, which names
 * belong to it.
 */
export class Senders {
  private readonly shared: Transport;
  private readonly namesOf = new Map<number, Set<string>>();

  constructor(shared: Transport) {
    this.shared = shared;
  }

  /** `process` may speak as `name`. */
  introduce(name: string, process: number): void {
    const names = this.namesOf.get(process);
    if (names === undefined) this.namesOf.set(process, new Set([name]));
    else names.add(name);
  }

  /** The sender of a message that came from process `origin` (0: this one); undefined if it only claims to be. */
  // hot
  of(header: IncomingHeader, origin: number): string | undefined {
    const { sender } = header;
    if (sender === undefined || header.rightfulOrigin === origin) return sender;
    const isRight =
      origin === 0 ||
      this.shared.identityOf(origin)?.isTrusted === true ||
      this.namesOf.get(origin)?.has(sender) === true;
    if (!isRight) return undefined;
    header.rightfulOrigin = origin;
    return sender;
  }
}
