import { ErrorName } from '#bridge/driver/driver-error.js';
import { DRIVER_NAME } from '#bridge/registry/directory.js';
import { MessageType } from '#bridge/wire/types.js';
import type { Attachment } from './attachment.js';
import type { BusReply } from './bus-link.js';

/**
 * Pings connections of the other bus. A service processes messages in order: once it answers, it has processed all
 * earlier ones. A client of the bridge is pinged through its uplink; to it the watcher appears as a ghost, which
 * departs when the last ping is over.
 */
export class Pinger {
  private readonly attachment: Attachment;
  private underWay = 0;

  constructor(attachment: Attachment) {
    this.attachment = attachment;
  }

  /** Calls back once; false: it is gone, or has not answered in time. */
  ping(farName: string, patienceMs: number, done: (answers: boolean) => void): void {
    const { watcher, host } = this.attachment;
    if (watcher === undefined) return done(false);
    const { link } = watcher;
    let isDone = false;
    const once = (answers: boolean): void => {
      if (isDone) return;
      isDone = true;
      cancel();
      this.underWay--;
      if (this.underWay === 0) this.attachment.ghosts.depart(link.uniqueName);
      done(answers);
    };
    const cancel = host.at(performance.now() + patienceMs, () => once(false));
    this.underWay++;
    link.ping(farName, (reply) => once(isAnswer(reply)));
  }
}

/**
 * An error from the bus itself means that the peer is gone; except AccessDenied, which only means that we may not
 * ask.
 */
function isAnswer(reply: BusReply): boolean {
  if (reply === undefined) return false;
  if (reply.type !== MessageType.Error || reply.sender !== DRIVER_NAME) return true;
  return reply.errorName === ErrorName.AccessDenied;
}
