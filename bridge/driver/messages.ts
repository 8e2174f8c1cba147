import type { Connection } from '#bridge/registry/connection.js';
import { DRIVER_NAME, DRIVER_PATH } from '#bridge/registry/directory.js';
import { encodeMessage, type MessageFields } from '#bridge/wire/message.js';
import { ErrorText } from '#bridge/wire/standard-errors.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';

import { ErrorName } from './driver-error.js';

/** Header of a directed signal of the driver's about a name of the receiver's. */
export function nameSignal(to: Connection, member: string): MessageFields {
  return {
    type: MessageType.Signal,
    flags: MessageFlag.NoReplyExpected,
    serial: to.serials.next(),
    path: DRIVER_PATH,
    interface: DRIVER_NAME,
    member,
    signature: 's',
    destination: to.uniqueName,
  };
}

/** The error that ends a call whose callee went away. */
export function noReplyError(serial: number, replySerial: number, destination: string): Uint8Array {
  return errorMessage(serial, replySerial, destination, ErrorName.NoReply, ErrorText.noReply);
}

/** An error of the driver's, as bytes. */
export function errorMessage(
  serial: number,
  replySerial: number,
  destination: string,
  errorName: string,
  text: string,
): Uint8Array {
  return encodeMessage(
    {
      type: MessageType.Error,
      flags: MessageFlag.NoReplyExpected,
      serial,
      replySerial,
      errorName,
      signature: 's',
      sender: DRIVER_NAME,
      destination,
    },
    [text],
  );
}
