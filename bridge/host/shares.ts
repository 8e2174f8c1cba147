import { isWithinShare, type Claim, type Trace } from '#core/index.js';

/** What is queued in an outbox on behalf of one peer, or of one user. */
class Share {
  bytes = 0;
  descriptors = 0;
}

/** The most that may be queued on behalf of one user: `max_outgoing_bytes` and `max_outgoing_unix_fds`. */
export interface ShareLimits {
  readonly bytes: number;
  readonly descriptors: number;
}

/**
 * What is queued in one outbox that grows faster than it is written, by sender. This is BUS1's two-level rule at
 * one receiver: users do not reduce each other's share, and each peer of a user may take half of what that user's
 * other peers have left, so that a peer that has nothing queued gets through.
 */
export class Shares {
  private readonly ofPeers = new Map<Trace, Share>();
  private readonly ofUsers = new Map<Claim, Share>();

  add(trace: Trace, bytes: number, descriptors: number): void {
    change(this.ofPeers, trace, bytes, descriptors);
    change(this.ofUsers, trace.claim, bytes, descriptors);
  }

  remove(trace: Trace, bytes: number, descriptors: number): void {
    change(this.ofPeers, trace, -bytes, -descriptors);
    change(this.ofUsers, trace.claim, -bytes, -descriptors);
  }

  /**
   * The limit that keeps this sender from adding `lengthBytes`; undefined: none does. `waiting` is all that is in the
   * outbox: shares are given back for whole runs of messages, of which some may have been written.
   */
  limitReached(
    trace: Trace,
    lengthBytes: number,
    limits: ShareLimits,
    waiting: ShareLimits,
  ): keyof ShareLimits | undefined {
    const own = this.ofPeers.get(trace) ?? NOTHING;
    const all = this.ofUsers.get(trace.claim) ?? NOTHING;
    const fits = (slot: keyof ShareLimits, amount: number): boolean => {
      const ownPart = Math.min(own[slot], waiting[slot]);
      const others = Math.min(all[slot] - own[slot], waiting[slot] - ownPart);
      return isWithinShare(ownPart, others, amount, limits[slot]);
    };
    if (!fits('bytes', lengthBytes)) return 'bytes';
    return fits('descriptors', 0) ? undefined : 'descriptors';
  }
}

const NOTHING = new Share();

function change<K>(shares: Map<K, Share>, key: K, bytes: number, descriptors: number): void {
  let share = shares.get(key);
  if (share === undefined) shares.set(key, (share = new Share()));
  share.bytes += bytes;
  share.descriptors += descriptors;
  if (share.bytes === 0 && share.descriptors === 0) shares.delete(key);
}
