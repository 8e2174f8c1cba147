import { SendStatus, type Handle, type Message, type Sink } from '#core/index.js';
import { Errno, errnoName } from '#core/linux/index.js';
import { errorMessage, noReplyError } from '#bridge/driver/messages.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import type { Connection } from '#bridge/registry/connection.js';
import { wireFaultText } from '#bridge/wire/faults.js';
import { uniqueName } from '#bridge/registry/envelope.js';
import {
  failureOf,
  shareUsedUp,
  userShareUsedUp,
  type Unsent,
} from '#bridge/registry/send-failure.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { describeMessage, headerText } from '#bridge/wire/header-text.js';
import { ErrorText } from '#bridge/wire/standard-errors.js';
import { MessageType } from '#bridge/wire/types.js';
import { describeRule, ruleLocation, type Facet, type MessageRule } from '#policy/index.js';

import { Backlog } from './backlog.js';
import type { Host } from './host.js';
import { denialOf, DENIED, type Denial } from '#bridge/registry/denial.js';
import { Rejection, type Rejected } from './foreign-messages.js';
import { ReadStatus } from './inflow.js';
import type { LogFields } from './log-budget.js';
import type { ShimNode } from './node-contexts.js';
import type { Shim } from './shim.js';
import { EffortOf } from './turn-share.js';

/** The error that a client gets when its message is not delivered. Never on the hot path. */
export function sendError(
  shim: Shim,
  header: MessageHeader,
  errorName: string,
  text: string,
): void {
  const { uniqueName } = shim.connection;
  const serial = shim.errorSerials.next();
  const bytes = errorMessage(serial, header.serial, uniqueName, errorName, text);
  shim.refusals++;
  shim.share.charge(EffortOf.Error);
  shim.host.sendOwn(shim, bytes);
}

/**
 * The stream ended or cannot be read further: the reason is logged, unless the client left between two messages.
 */
export function endOfStream(shim: Shim, status: number): void {
  const { host, inflow } = shim;
  if (status > 0) malformed(shim, status);
  else if (status === ReadStatus.TooLong) {
    host.close(shim, `it sent a message larger than max_message_size=${inflow.maxMessageBytes}`);
  } else if (status === ReadStatus.Descriptors) {
    host.close(shim, descriptorFault(shim));
  } else if (status === ReadStatus.Broken && inflow.errno !== Errno.ECONNRESET) {
    host.close(shim, `reading failed with ${errnoName(inflow.errno)}`);
  } else {
    const { waitingBytes } = inflow;
    const isHalf = waitingBytes > 0 || inflow.descriptorCount > 0;
    host.close(
      shim,
      isHalf
        ? `it disconnected in the middle of a message, after ${waitingBytes} bytes of it`
        : undefined,
    );
  }
}

function descriptorFault({ host, hasUnixFds, inflow }: Shim): string {
  if (!hasUnixFds) return 'it sent file descriptors without having negotiated them';
  if (inflow.hasLostDescriptors) {
    return 'its file descriptors were lost: the bus has as many open as RLIMIT_NOFILE allows';
  }
  const limit = `max_incoming_unix_fds=${host.limits.maxIncomingUnixFds}`;
  return `it sent more file descriptors without their messages than ${limit}`;
}

/** How long a client that no longer reads, as after shutdown(2) with SHUT_RD, may go on sending. */
const LAST_WORDS_MS = 1000;

/**
 * A client that has closed its end is not written to; what it sent before counts, so its input is read to the end.
 */
export function brokenPipe(shim: Shim, errno: number): void {
  const { host } = shim;
  if (errno !== Errno.EPIPE && errno !== Errno.ECONNRESET) {
    host.close(shim, `writing failed with ${errnoName(errno)}`);
    return;
  }
  shim.output.hangUp();
  host.deadlines.add(performance.now() + LAST_WORDS_MS, () => endOfStream(shim, ReadStatus.Closed));
}

/** Bytes that are not D-Bus: the connection ends, as with both reference daemons. */
export function malformed(shim: Shim, fault: number): false {
  shim.host.close(shim, `it sent a malformed message: ${wireFaultText(fault)}`);
  return false;
}

export function speaksOutOfTurn(shim: Shim): void {
  const reason = shim.isMonitor
    ? 'it is a monitor and sent a message'
    : 'it sent a message to another connection before Hello';
  shim.host.close(shim, reason);
}

export function unknownType(shim: Shim, header: MessageHeader): void {
  sendError(
    shim,
    header,
    ErrorName.AccessDenied,
    `Message bus will not accept messages of unknown type (${header.type})`,
  );
}

export function unexpectedReply(shim: Shim, header: MessageHeader): void {
  const kind = header.type === MessageType.Error ? 'error' : 'method return';
  sendError(
    shim,
    header,
    ErrorName.AccessDenied,
    `Rejected send message: no call of ${headerText(header, 'destination')} with serial ` +
      `${header.replySerial} waits for this ${kind}`,
  );
}

/** Counts what the policy has refused to a connection, and logs it. */
export function noteDenial(host: Host, connection: Connection, fields: Denial['fields']): void {
  host.denials.note(connection, fields, Date.now());
  host.diagnostics.report(connection, 'notice', DENIED, () => fields);
}

/** The policy denies this message: its sender gets an error, and the denial is logged. */
export function denied(shim: Shim, header: MessageHeader, facet: Facet): void {
  const denial = denialOf(facet, header);
  sendError(shim, header, ErrorName.AccessDenied, denial.why);
  noteDenial(shim.host, shim.connection, denial.fields);
}

export function tooManyCalls(shim: Shim, header: MessageHeader): void {
  sendError(
    shim,
    header,
    ErrorName.LimitsExceeded,
    'The maximum number of pending replies per connection has been reached ' +
      `(max_replies_per_connection=${shim.connection.maxReplies(shim.host.limits)})`,
  );
}

/** The core refused a call or a signal: nothing was sent, and no reply node was made. */
export function notSent(
  shim: Shim,
  header: MessageHeader,
  message: Message,
  status: Unsent,
  handle: Handle,
): void {
  if (message.newNode !== 0) shim.pendingCalls--;
  undelivered(shim, header, status, handle, message.lengthBytes);
}

/** The driver has ended. The error must not be one that says that a name has no owner: that is not known. */
export function driverGone(shim: Shim, header: MessageHeader, message: Message): void {
  if (message.newNode !== 0) shim.pendingCalls--;
  sendError(shim, header, ErrorName.Disconnected, 'The driver of the bus has ended');
}

/** Here the limit that is reached is known, and named. */
function undelivered(
  shim: Shim,
  header: MessageHeader,
  status: Unsent,
  handle: Handle,
  lengthBytes: number,
): void {
  const [errorName, text] = failureOf(status);
  const isFull = status === SendStatus.OverQuota;
  sendError(shim, header, errorName, isFull ? noRoom(shim, handle, lengthBytes) : text);
}

/** An error text that names the limit: that of the sender at the receiving connection, or at the receiver's user. */
function noRoom(shim: Shim, { node }: Handle, lengthBytes: number): string {
  const { sink, user } = node.owner;
  const backlog = backlogOf(sink);
  const limit = backlog?.limitReached(shim.peer.traceOf(user), lengthBytes);
  if (backlog !== undefined && limit !== undefined) {
    backlog.report(shim.connection, limit);
    return shareUsedUp(limit, shim.connection.credentials.uid);
  }
  const { maxOutgoingBytes, maxOutgoingUnixFds, maxConnectionsPerUser } = shim.host.limits;
  const limits =
    `max_connections_per_user=${maxConnectionsPerUser} times max_outgoing_bytes=` +
    `${maxOutgoingBytes} and max_outgoing_unix_fds=${maxOutgoingUnixFds}`;
  return userShareUsedUp(limits, shim.peer.user.uid, user.uid);
}

/** Undefined: the sink is no shim. */
function backlogOf(sink: Sink): Backlog | undefined {
  return 'backlog' in sink && sink.backlog instanceof Backlog ? sink.backlog : undefined;
}

/** A broadcast of `sender` found no room at one of its subscribers; only the log says so. */
export function signalMissed(
  host: Host,
  { node }: Handle,
  sender: Connection,
  { lengthBytes }: Message,
): void {
  const { sink, user } = node.owner;
  const backlog = backlogOf(sink);
  if (backlog === undefined) return;
  const limit = backlog.limitReached(
    (sender.payer ?? host.directory.peer).traceOf(user),
    lengthBytes,
  );
  if (limit !== undefined) backlog.report(sender, limit);
}

/** The receiver of a reply has no room for it: the caller gets NoReply, and the callee an error. */
export function replyNotSent(
  shim: Shim,
  header: MessageHeader,
  handle: Handle,
  status: Unsent,
): void {
  undelivered(shim, header, status, handle, header.end - header.start);
  shim.peer.release(handle);
}

/** A call from another process is refused: it brings handles, there is no room, or the policy denies it. */
export function refuseForeign(
  shim: Shim,
  { rejection, why, handles, serial, sender }: Rejected,
): void {
  const reply = handles.at(-1);
  if (reply === undefined || !reply.live) return;
  const { uniqueName: name } = shim.connection;
  const { numbered } = shim.host.directory;
  const caller = numbered.get(sender) ?? shim.connection;
  let errorName: string = ErrorName.NotSupported;
  let text = `${name} is a D-Bus connection, which cannot receive handles: call it without any`;
  if (rejection === Rejection.NoRoom) {
    errorName = ErrorName.LimitsExceeded;
    text = shareUsedUp(why, caller.credentials.uid);
  } else if (rejection === Rejection.Denied) {
    errorName = ErrorName.AccessDenied;
    text = why;
  }
  const to = uniqueName(sender);
  const bytes = errorMessage(shim.errorSerials.next(), serial, to, errorName, text);
  const message = shim.host.control.clear();
  message.addPiece(bytes, 0, bytes.length);
  shim.peer.send(reply, message);
}

/** The callee has gone, or has released the reply handle. */
export function noReply(shim: Shim, serial: number): void {
  const { uniqueName } = shim.connection;
  shim.host.sendOwn(shim, noReplyError(shim.errorSerials.next(), serial, uniqueName));
}

/** reply_timeout expired: the callee's handle dies, the caller gets NoReply. */
export function replyTimedOut(shim: Shim, reply: ShimNode): void {
  const { context: serial } = reply;
  if (typeof serial !== 'number') return;
  shim.peer.release(reply);
  shim.pendingCalls--;
  const text = ErrorText.replyTimedOut;
  const { uniqueName } = shim.connection;
  const bytes = errorMessage(shim.errorSerials.next(), serial, uniqueName, ErrorName.NoReply, text);
  shim.host.sendOwn(shim, bytes);
}

/** A rule with log="true" let the message pass. */
export function logAllowed(
  host: Host,
  rule: MessageRule,
  header: MessageHeader,
  senderNumber: number,
): void {
  const sender = host.directory.numbered.get(senderNumber);
  const fields = (): LogFields => ({
    why: `${describeRule(rule)} at ${ruleLocation(rule)}`,
    message: describeMessage(header),
  });
  if (sender === undefined) host.log('info', 'message allowed by policy', fields());
  else host.diagnostics.report(sender, 'info', 'message allowed by policy', fields);
}
