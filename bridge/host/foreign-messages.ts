import type { Handle, Message } from '#core/index.js';
import { DRIVER_NUMBER, Envelope, uniqueNumber } from '#bridge/registry/envelope.js';
import type { Directory } from '#bridge/registry/directory.js';
import {
  checkIncoming,
  HandleRule,
  IncomingFault,
  incomingFaultText,
  NO_CALL,
} from '#bridge/peer/incoming-check.js';

import { wantsReply } from '#bridge/wire/types.js';
import type { Facet } from '#policy/index.js';

import { denialOf, type Denial } from '#bridge/registry/denial.js';
import type { ShimNode } from './node-contexts.js';
import type { Shim } from './shim.js';

/** Why a message from another process is not passed on. */
export const Rejection = {
  None: 0,
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

/** Whether these bytes are a D-Bus message; otherwise they are a control message (control-message.ts). */
// hot
export function isDBusMessage(message: Message): boolean {
  if (message.pieceCount === 0 || message.lengthBytes < 16) return false;
  return beginsDBusMessage(message.firstByte);
}

/** Whether a message that begins with this byte is D-Bus, and not a control message. */
// hot
export function beginsDBusMessage(firstByte: number): boolean {
  return firstByte === LITTLE || firstByte === BIG;
}

const LITTLE = 0x6c;
const BIG = 0x42;

/**
 * Reads messages from other processes, which no shim of this process has checked. Other hosts are trusted to have
 * checked what their clients sent; messages of native peers are checked completely here.
 */
export class ForeignMessages {
  /** of the last message that was read */
  readonly envelope = new Envelope();
  private readonly directory: Directory;
  /** whether a process is a host of this bus */
  readonly isTrusted: (process: number) => boolean;
  private bytes: Uint8Array = new Uint8Array(0);
  private view: DataView = new DataView(this.bytes.buffer);
  /** why the last message was rejected as malformed */
  private fault: IncomingFault = IncomingFault.None;
  /** the facet that denied the last message with the verdict `Denied` */
  private refusing: Facet | null = null;
  private readonly place = {
    awaitedSerial: NO_CALL,
    isSenderImplied: false,
    handles: HandleRule.LastOwn,
    receiver: -1,
  };

  constructor(directory: Directory, isTrusted: (process: number) => boolean) {
    this.directory = directory;
    this.isTrusted = isTrusted;
  }

  /** Fills `envelope` with what `shim` has to know of a message that has arrived at its `node`. */
  // hot
  read(shim: Shim, node: ShimNode, message: Message): Rejection {
    const { envelope } = this;
    const { header } = envelope;
    const bytes = message.pieces[0];
    const start = message.offsets[0];
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    envelope.senderNumber = -1;
    if (header.scan(bytes, this.view, start, start + message.lengthBytes) !== 0) {
      this.fault = IncomingFault.Body;
      return Rejection.Malformed;
    }
    envelope.senderNumber = uniqueNumber(bytes, header.senderOffset, header.senderLength);
    const { senderNumber } = envelope;
    if (!this.isTrusted(message.origin)) {
      this.fault = this.check(shim, node, message);
      if (this.fault !== IncomingFault.None) return Rejection.Malformed;
      if (!this.isPermitted(shim, node)) return Rejection.Denied;
    }
    if (message.receivedCount > (wantsReply(header) ? 1 : 0)) return Rejection.Capabilities;
    const sender =
      senderNumber === DRIVER_NUMBER ? null : this.directory.numbered.get(senderNumber);
    envelope.replyFacet =
      sender === null || sender === undefined || message.receivedCount === 0
        ? null
        : this.directory.grants.replyFacet(shim.connection, sender);
    return Rejection.None;
  }

  /** Why the last message is not passed on. `limit`: the limit that is reached, for `NoRoom`. */
  verdict(rejection: Rejection, limit: string | undefined): Verdict {
    if (rejection === Rejection.Denied)
      return { rejection, ...denialOf(this.refusing!, this.envelope.header) };
    return { rejection, why: limit ?? incomingFaultText(this.fault) };
  }

  /** Applies the policy to a message of a native peer, which no shim has checked before. */
  // hot
  private isPermitted(shim: Shim, { context }: ShimNode): boolean {
    const { header, senderNumber } = this.envelope;
    const sender = this.directory.numbered.get(senderNumber);
    if (sender === undefined) return false;
    const { grants } = this.directory;
    const facet =
      typeof context === 'number'
        ? grants.replyFacet(sender, shim.connection)
        : grants.directedFacet(sender, shim.connection);
    if (facet === null || shim.host.permits(facet, header, senderNumber)) return true;
    this.refusing = facet;
    return false;
  }

  // hot
  private check(shim: Shim, node: ShimNode, message: Message): IncomingFault {
    const { place, envelope } = this;
    place.awaitedSerial = typeof node.context === 'number' ? node.context : NO_CALL;
    place.receiver = shim.connection.number;
    const sender = this.directory.numbered.get(envelope.senderNumber);
    return checkIncoming(envelope.header, message, sender, place);
  }
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

type Verdict = Pick<Rejected, 'rejection' | 'why' | 'fields'>;

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
