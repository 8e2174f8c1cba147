import { uniqueNumber } from '#bridge/registry/envelope.js';
import { validateBody } from '#bridge/wire/body.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { MessageType, wantsReply } from '#bridge/wire/types.js';

/** Why a message of a foreign process is refused. */
export const IncomingFault = {
  None: 0,
  Body: 1,
  Type: 2,
  UnknownFields: 3,
  Sender: 4,
  Descriptors: 5,
  Reply: 6,
  ReplyHandle: 7,
  Destination: 8,
  Place: 9,
  Denied: 10,
} as const;
export type IncomingFault = (typeof IncomingFault)[keyof typeof IncomingFault];

const TEXTS: Readonly<Record<IncomingFault, string>> = {
  [IncomingFault.None]: 'it is valid',
  [IncomingFault.Body]: 'it is malformed',
  [IncomingFault.Type]: 'its type is unknown',
  [IncomingFault.UnknownFields]: 'it has unknown header fields',
  [IncomingFault.Sender]: 'its sender is not the process that it came from',
  [IncomingFault.Descriptors]:
    'it announces a different number of file descriptors than it carries',
  [IncomingFault.Reply]: 'it replies to a call that was not sent to that process',
  [IncomingFault.ReplyHandle]: 'its reply would go to another process',
  [IncomingFault.Destination]: 'it does not name its receiver as its destination',
  [IncomingFault.Place]: 'only the bus itself sends to that node',
  [IncomingFault.Denied]: 'the policy denies it',
};

export function incomingFaultText(fault: IncomingFault): string {
  return TEXTS[fault];
}

/** What came with the bytes of a message, and from where: a core message satisfies this. */
export interface Carried {
  /** the process of the domain that sent it */
  readonly origin: number;
  readonly descriptors: { readonly count: number } | null;
  /** number of handles that came with it */
  readonly receivedCount: number;
  /** index of the first of the handles, all at the end, that lead to nodes of the process that sent it */
  readonly ownFrom: number;
}

/** The connection that a message claims to come from, or whose node it arrived at. */
export interface Sender {
  readonly number: number;
  readonly process: number;
}

/** Which handles may lead to nodes of a process other than the sender's. */
export const HandleRule = {
  /** none: the receiver keeps them for the sender */
  AllOwn: 0,
  /** all but the last, through which the reply goes */
  LastOwn: 1,
  /** all but a reply handle: the receiver accepts capabilities */
  ReplyOwn: 2,
} as const;
export type HandleRule = (typeof HandleRule)[keyof typeof HandleRule];

/** What the node at which a message arrived requires of it. */
export interface Place {
  /** serial of the call whose reply arrives here; `NO_CALL` where calls and signals arrive */
  readonly awaitedSerial: number;
  /** the node identifies the sender: the SENDER field may be absent */
  readonly isSenderImplied: boolean;
  readonly handles: HandleRule;
  /** number of the receiver, which a unique name as the destination has to match; -1: every destination is accepted */
  readonly receiver: number;
}

export const NO_CALL = -1;

/** A place where any connection may send: the `awaitedSerial` can be set for each message. */
export function openPlace(handles: HandleRule, awaitedSerial: number = NO_CALL) {
  return { awaitedSerial, isSenderImplied: false, handles, receiver: -1 };
}

/** A node that belongs to one sender, and takes calls and signals. */
export const NODE_OF_SENDER: Place = {
  awaitedSerial: NO_CALL,
  isSenderImplied: true,
  handles: HandleRule.AllOwn,
  receiver: -1,
};

/**
 * Whether a message of a process that this bus does not trust is valid: the one check, for participants and driver.
 * `header` was scanned without a fault, which covers sizes, required fields and reserved names. `sender` undefined: no
 * connection has the name that the message gives.
 */
// hot
export function checkIncoming(
  header: MessageHeader,
  carried: Carried,
  sender: Sender | undefined,
  place: Place,
): IncomingFault {
  const { type } = header;
  if (type > MessageType.Signal) return IncomingFault.Type;
  if (validateBody(header) !== 0) return IncomingFault.Body;
  if (header.hasUnknownFields) return IncomingFault.UnknownFields;
  if (!isSentBy(header, carried, sender, place)) return IncomingFault.Sender;
  const descriptorCount = carried.descriptors === null ? 0 : carried.descriptors.count;
  if (header.unixFds !== descriptorCount) return IncomingFault.Descriptors;
  if (!isAnswerDue(header, place)) return IncomingFault.Reply;
  if (!areHandlesRight(header, carried, place.handles)) return IncomingFault.ReplyHandle;
  if (place.receiver >= 0 && !isFor(header, place.receiver)) return IncomingFault.Destination;
  return IncomingFault.None;
}

// hot
function isSentBy(
  header: MessageHeader,
  { origin }: Carried,
  sender: Sender | undefined,
  { isSenderImplied }: Place,
): boolean {
  if (sender === undefined || sender.process !== origin) return false;
  const { bytes, senderOffset, senderLength } = header;
  if (senderLength === 0) return isSenderImplied;
  return uniqueNumber(bytes, senderOffset, senderLength) === sender.number;
}

/**
 * An answer passes only where it is awaited. Some libraries (libdbus) treat REPLY_SERIAL in a message of any type
 * as the mark of an answer, so it counts here, too.
 */
// hot
function isAnswerDue({ type, replySerial }: MessageHeader, { awaitedSerial }: Place): boolean {
  const isAnswer = type === MessageType.MethodReturn || type === MessageType.Error;
  if (awaitedSerial !== NO_CALL) return isAnswer && replySerial === awaitedSerial;
  return !isAnswer && replySerial === 0;
}

// hot
function areHandlesRight(
  header: MessageHeader,
  { receivedCount, ownFrom }: Carried,
  rule: HandleRule,
): boolean {
  if (receivedCount === 0 || ownFrom === 0) return true;
  if (rule === HandleRule.AllOwn) return false;
  return ownFrom < receivedCount || (rule === HandleRule.ReplyOwn && !wantsReply(header));
}

/** A call or signal without a destination would look like a broadcast, which goes through the driver. */
// hot
function isFor(
  { type, bytes, destinationOffset, destinationLength }: MessageHeader,
  receiver: number,
): boolean {
  if (destinationLength === 0)
    return type === MessageType.MethodReturn || type === MessageType.Error;
  if (bytes[destinationOffset] !== COLON) return true;
  return uniqueNumber(bytes, destinationOffset, destinationLength) === receiver;
}

const COLON = 0x3a;
