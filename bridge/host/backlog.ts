import type { Trace } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';

import type { ShareLimits } from './shares.js';
import type { Shim } from './shim.js';

/**
 * What is queued for a client that reads more slowly than others send, measured against each sender's limit:
 * max_outgoing_bytes and max_outgoing_unix_fds. A sender over its share is refused; nobody is disconnected, except
 * a client that keeps provoking replies of the bus itself without reading them.
 */
export class Backlog {
  private readonly shim: Shim;
  /**
   * bytes that the bus itself has queued for this client since it last had read everything; no user
   * is charged for them
   */
  private ownBytes = 0;
  /** users whose refusal has been logged: once for each receiver */
  private reported: Set<number | undefined> | null = null;
  peakBytes = 0;

  constructor(shim: Shim) {
    this.shim = shim;
  }

  /** The amount of queued output has changed. */
  review(): void {
    const { connection, outbox, peer, host } = this.shim;
    const { pendingBytes, pendingDescriptors } = outbox;
    this.peakBytes = Math.max(this.peakBytes, pendingBytes);
    /* no share can be used up while all of them together are within the limit */
    peer.isFull =
      pendingBytes > connection.limit('maxOutgoingBytes', host.limits) ||
      pendingDescriptors > connection.limit('maxOutgoingUnixFds', host.limits);
  }

  /** The client has read everything. */
  // hot
  clear(): void {
    this.shim.peer.isFull = false;
    this.ownBytes = 0;
    this.shim.outbox.forgetShares();
  }

  /** Queues an error or another reply of the bus itself. A client that provokes them and does not read is closed. */
  appendOwn(reply: Uint8Array): void {
    const { shim } = this;
    shim.outgoingMessages++;
    shim.outgoingBytes += reply.length;
    shim.outbox.appendBytes(reply);
    if (!shim.isDirty) shim.host.markDirty(shim);
    this.ownBytes += reply.length;
    if (!shim.output.isBlocked) return;
    this.review();
    const { bytes } = this.limits();
    if (!shim.peer.isFull || this.ownBytes <= bytes) return;
    shim.host.close(
      shim,
      `it does not read the bus's replies: more than max_outgoing_bytes=${bytes} are queued for it`,
    );
  }

  /** The limit, with its value, that keeps the sender with this trace from adding a message; undefined: none does. */
  limitReached(trace: Trace, lengthBytes: number): string | undefined {
    const { outbox, output } = this.shim;
    if (!output.isBlocked) return undefined;
    const { pendingBytes: bytes, pendingDescriptors: descriptors } = outbox;
    const limits = this.limits();
    const slot = outbox.shares.limitReached(trace, lengthBytes, limits, { bytes, descriptors });
    if (slot === undefined) return undefined;
    const name = slot === 'bytes' ? 'max_outgoing_bytes' : 'max_outgoing_unix_fds';
    return `${name}=${limits[slot]}`;
  }

  private limits(): ShareLimits {
    const { connection, host } = this.shim;
    return {
      bytes: connection.limit('maxOutgoingBytes', host.limits),
      descriptors: connection.limit('maxOutgoingUnixFds', host.limits),
    };
  }

  /** Logs that a message of `sender` was refused, once for each user: a client may be slow again and again. */
  report(sender: Connection, limit: string): void {
    const { uid } = sender.credentials;
    const reported = (this.reported ??= new Set());
    if (reported.has(uid) || reported.size >= REPORTED_MAX) return;
    reported.add(uid);
    const { host, connection } = this.shim;
    const text = `messages are refused: a client does not read (${limit})`;
    host.diagnostics.report(sender, 'notice', text, () => ({
      sender: sender.uniqueName,
      /* these describe the client that does not read; all other fields describe the sender */
      name: connection.uniqueName,
      receiverPid: connection.credentials.pid,
      receiverUid: connection.credentials.uid,
    }));
  }
}

const REPORTED_MAX = 64;
