import type { Shim } from './shim.js';

/**
 * What waits for a client that reads more slowly than others send, against what may wait:
 * max_outgoing_bytes and max_outgoing_unix_fds. Over that others are refused, and nobody is
 * disconnected, but for a client that goes on provoking answers of the bus's own without reading
 * them.
 */
export class Backlog {
  private readonly shim: Shim;
  /**
   * made by the bus for this client since it had last read everything; nobody else is charged for
   * it
   */
  private ownBytes = 0;
  private isReported = false;
  peakBytes = 0;

  constructor(shim: Shim) {
    this.shim = shim;
  }

  /** More waits than did before, or less. */
  review(): void {
    const { outbox, peer, host } = this.shim;
    const { maxOutgoingBytes, maxOutgoingUnixFds } = host.limits;
    const { pendingBytes, pendingDescriptors } = outbox;
    this.peakBytes = Math.max(this.peakBytes, pendingBytes);
    peer.isFull = pendingBytes > maxOutgoingBytes || pendingDescriptors > maxOutgoingUnixFds;
    if (peer.isFull && !this.isReported) this.report();
  }

  /** The client has read everything. */
  // hot
  clear(): void {
    this.shim.peer.isFull = false;
    this.ownBytes = 0;
  }

  /** An error, or another answer of ours, was appended. */
  addOwn(lengthBytes: number): void {
    this.ownBytes += lengthBytes;
    const { shim } = this;
    if (!shim.isBlocked) return;
    this.review();
    const { maxOutgoingBytes } = shim.host.limits;
    if (!shim.peer.isFull || this.ownBytes <= maxOutgoingBytes) return;
    shim.host.close(
      shim,
      `it does not read the bus's answers: more than max_outgoing_bytes=${maxOutgoingBytes} wait for it`,
    );
  }

  /** Which limit is reached. */
  get limit(): string {
    const { outbox, host } = this.shim;
    const { maxOutgoingBytes, maxOutgoingUnixFds } = host.limits;
    return outbox.pendingBytes > maxOutgoingBytes
      ? `max_outgoing_bytes=${maxOutgoingBytes}`
      : `max_outgoing_unix_fds=${maxOutgoingUnixFds}`;
  }

  /** Once for each connection: a client that is slow again and again must not fill the log. */
  private report(): void {
    const { shim } = this;
    this.isReported = true;
    shim.host.log('warn', `messages are refused: a client does not read (${this.limit})`, {
      ...shim.host.identify(shim),
    });
  }
}
