import type { Handle, Message, Trace } from '#core/index.js';
import type { Incoming } from '#bridge/peer/incoming.js';
import {
  HandleRule,
  incomingFaultText,
  NO_CALL,
  openPlace,
  type Place,
} from '#bridge/peer/incoming-check.js';
import type { Connection } from '#bridge/registry/connection.js';
import { denialOf, type Denial } from '#bridge/registry/denial.js';
import type { Envelope } from '#bridge/registry/envelope.js';
import { wantsReply } from '#bridge/wire/types.js';
import type { Facet } from '#policy/index.js';

import type { ArrivedMessage, ShimNode } from './node-contexts.js';
import type { Shim } from './shim.js';

/** Why a message from another process is not passed on. */
export const Rejection = {
  /** it is not valid D-Bus, has a false sender, or answers a call that was not made */
  Malformed: 1,
  /** it brings handles, which a D-Bus socket cannot take */
  Capabilities: 2,
  /** the client does not read, and the sender has used up its share of what may wait */
  NoRoom: 3,
  /** the policy denies it */
  Denied: 4,
} as const;
export type Rejection = (typeof Rejection)[keyof typeof Rejection];

const place = openPlace(HandleRule.LastOwn);

/** What a node of a shim requires of a message of a native peer. Valid until the next call. */
// hot
export function placeOf({ connection }: Shim, { context }: ShimNode): Place {
  place.awaitedSerial = typeof context === 'number' ? context : NO_CALL;
  place.receiver = connection.number;
  return place;
}

/** The part of the policy that a message of `sender`, a native peer, must still pass. */
// hot
export function facetFor(
  { host, connection }: Shim,
  sender: Connection,
  { context }: ShimNode,
): Facet | null {
  const { grants } = host.directory;
  return typeof context === 'number'
    ? grants.replyFacet(sender, connection)
    : grants.directedFacet(sender, connection);
}

/** Whether the client's socket can take a message of another process; otherwise it is rejected. */
// hot
export function fitsSocket(
  shim: Shim,
  node: ShimNode,
  message: ArrivedMessage,
  trace: Trace,
  envelope: Envelope,
): boolean {
  const { host, connection, peer } = shim;
  if (message.receivedCount > (wantsReply(envelope.header) ? 1 : 0)) {
    const why = 'carries handles, which a D-Bus socket cannot receive';
    host.reject(shim, node, message, trace, { rejection: Rejection.Capabilities, why });
    return false;
  }
  const limit = peer.isFull ? shim.backlog.limitReached(trace, message.lengthBytes) : undefined;
  if (limit !== undefined) {
    host.reject(shim, node, message, trace, { rejection: Rejection.NoRoom, why: limit });
    return false;
  }
  const sender = host.directory.numbered.get(envelope.senderNumber);
  envelope.replyFacet =
    sender === undefined || message.receivedCount === 0
      ? null
      : host.directory.grants.replyFacet(connection, sender);
  return true;
}

/** Why a message is not passed on: it was found to be faulty, or was denied, when it was read. */
export function verdictOn({ fault, denying, envelope }: Incoming): Verdict {
  return denying === null
    ? { rejection: Rejection.Malformed, why: `is dropped: ${incomingFaultText(fault)}` }
    : { rejection: Rejection.Denied, ...denialOf(denying, envelope.header) };
}

/** A message that is not passed on, with all that it brought; its last handle is the reply handle, if there is one. */
export interface Rejected {
  readonly shim: Shim;
  /** serial of the client's call that this should have answered; -1: none */
  readonly awaited: number;
  readonly rejection: Rejection;
  /** what is wrong, which limit is reached, or which rule denies it; for the sender, or the log */
  readonly why: string;
  /** only if it was denied: fields for the log */
  readonly fields?: Denial['fields'];
  readonly handles: readonly Handle[];
  /** their ids, which show later whether they still are the same handles */
  readonly handleIds: readonly number[];
  readonly serial: number;
  readonly wantsReply: boolean;
  readonly sender: number;
  readonly origin: number;
}

export type Verdict = Pick<Rejected, 'rejection' | 'why' | 'fields'>;

export function rejected(
  shim: Shim,
  node: ShimNode,
  message: Message,
  verdict: Verdict,
  { header, senderNumber }: Envelope,
): Rejected {
  const handles = message.received.slice(0, message.receivedCount);
  return {
    shim,
    awaited: typeof node.context === 'number' ? node.context : -1,
    ...verdict,
    handles,
    handleIds: handles.map(({ id }) => id),
    serial: header.serial,
    wantsReply: verdict.rejection !== Rejection.Malformed && wantsReply(header),
    sender: senderNumber,
    origin: message.origin,
  };
}
