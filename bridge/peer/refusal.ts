import type { Handle, Peer } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';

/** What the driver does for a message that is refused. */
export interface Refuser {
  readonly peer: Peer;
  /** Answers the call with this serial; without a reply handle the answer goes to the caller's inbox. */
  reply(
    to: Connection,
    replyHandle: Handle | undefined,
    replySerial: number,
    signature: string,
    body: readonly unknown[],
    errorName: string,
  ): void;
}

/**
 * Answers a message with an error from the driver, unless its sender has left. The error goes through the reply
 * handle, which is released with it: a caller without room for the error gets NoReply from its own host. `reply` null:
 * the error goes to the sender's inbox.
 */
export function refuse(
  driver: Refuser,
  sender: Connection | undefined,
  reply: Handle | null,
  serial: number,
  errorName: string,
  text: string,
): void {
  if (reply?.live === false) return;
  if (sender?.live === true) {
    const through = reply?.owner.copyHandle(reply, driver.peer);
    driver.reply(sender, through, serial, 's', [text], errorName);
  }
  if (reply?.live === true) reply.owner.release(reply);
}
