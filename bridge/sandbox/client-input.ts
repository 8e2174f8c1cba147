import type { Host } from '#bridge/host/host.js';
import type { Endpoint } from '#bridge/host/poller.js';
import { EffortOf, TurnShare } from '#bridge/host/turn-share.js';
import type { Session } from './session.js';

/**
 * What a confined client sends, as the host's loop sees it. The client has its share of each turn, like all others
 * (turn-share.ts); a message that its filter does not let through takes time, too.
 */
export class ClientInput implements Endpoint {
  readonly fd: number;
  private readonly session: Session;
  private readonly host: Host;
  /** that of its connection to the bus, as soon as it has one: both work for the same client */
  share: TurnShare;
  private isPutOff = false;

  constructor(fd: number, session: Session, host: Host) {
    this.fd = fd;
    this.session = session;
    this.host = host;
    this.share = new TurnShare(host.effort);
  }

  /** Whether another message may be taken in this turn; if not, `resume` goes on with it. */
  takes(): boolean {
    if (this.isPutOff) return false;
    this.share.open();
    if (this.share.isUsedUp) {
      this.isPutOff = true;
      this.host.poller.putOff(this);
      return false;
    }
    this.share.charge(EffortOf.Filtered);
    return true;
  }

  readable(): void {
    if (!this.isPutOff) this.session.dispatch(this.fd);
  }

  resume(): void {
    this.isPutOff = false;
    this.share.isWithoutPause = true;
    this.session.dispatch(this.fd);
    this.share.isWithoutPause = false;
  }

  /** The loop does not watch it for now, and does not resume it either. */
  ignored(): void {
    this.isPutOff = false;
  }

  fail(): void {
    this.session.end();
  }
}
