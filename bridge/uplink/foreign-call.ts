import { ErrorName, ErrorText } from '#bridge/wire/standard-errors.js';
import type { Ghost } from './ghost.js';
import type { Uplink } from './uplink.js';

/** The `context` of a reply node: a call that a connection of the other bus has made to a client of the bridge. */
export class ForeignCall {
  readonly caller: Ghost;
  /** the call came in through it, and the reply goes out through it */
  readonly uplink: Uplink;
  readonly serial: number;

  constructor(caller: Ghost, uplink: Uplink, serial: number) {
    this.caller = caller;
    this.uplink = uplink;
    this.serial = serial;
  }

  /**
   * The callee has left, or has released the reply handle. In the first case the other bus says so itself when the
   * uplink is closed: after NameOwnerChanged, as on one bus.
   */
  unanswered(): void {
    const { caller, uplink, serial } = this;
    uplink.attachment.defer(() => {
      if (uplink.connection?.live !== false)
        uplink.answerWithError(caller, serial, ErrorName.NoReply, ErrorText.noReply);
    });
  }
}
