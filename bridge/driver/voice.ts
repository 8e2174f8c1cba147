import { Message, NewNode, type DescriptorSet, type Handle, type Peer } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import { DRIVER_NAME, DRIVER_PATH } from '#bridge/registry/directory.js';
import { DRIVER_NUMBER, Envelope, type SentMessage } from '#bridge/registry/envelope.js';
import type { Registry } from '#bridge/registry/registry.js';
import { MessageComposer, type MessageFields } from '#bridge/wire/message.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import type { Facet } from '#policy/index.js';

import { Witness } from './witness.js';

/** A message with which no node is made. */
type DriverMessage = Message<Envelope, never, never>;

/**
 * Sends the driver's messages in order, and none before every host has acknowledged the change that the message is
 * about.
 */
export class Voice {
  private readonly peer: Peer<Connection, never>;
  private readonly registry: () => Registry;
  private readonly witness: Witness;
  private readonly message = new Message<Envelope, never, never>();
  private readonly control = new Message<never, never>();
  private readonly envelope = new Envelope();
  private readonly composer = new MessageComposer(DRIVER_NAME);
  private broadcastSerial = 0;

  constructor(peer: Peer<Connection, never>, registry: () => Registry) {
    this.peer = peer;
    this.registry = registry;
    this.witness = new Witness(registry);
    this.envelope.senderNumber = DRIVER_NUMBER;
  }

  /** A serial for a message that has no receiver yet, or many. */
  nextBroadcastSerial(): number {
    this.broadcastSerial = (this.broadcastSerial % 0xffffffff) + 1;
    return this.broadcastSerial;
  }

  /** Whether anybody, the receiver or an observer, will get what is sent through `handle`. */
  isHeard(handle: Handle): boolean {
    return (handle.live && handle.node.live) || this.registry().isObserved;
  }

  /**
   * Sends a message of the driver's through `handle`, and shows it to monitors. `isLast`: the handle is released then,
   * though the message may not have been sent: a caller without room for an answer gets HANDLE_RELEASE at its reply
   * node, and that of a native peer may take more than one message.
   */
  post(
    handle: Handle,
    body: readonly unknown[],
    fields: MessageFields,
    facet: Facet | null,
    descriptors: DescriptorSet | null = null,
    isLast = false,
  ): void {
    const message = this.compose(body, fields);
    message.descriptors = descriptors;
    this.registry().capture(this.envelope, message, undefined);
    this.pass(handle, message, facet, isLast);
  }

  /** Like the method above, for messages that monitors have seen already. */
  postUnseen(
    handle: Handle,
    body: readonly unknown[],
    fields: MessageFields,
    facet: Facet | null,
  ): void {
    this.pass(handle, this.compose(body, fields), facet);
  }

  /** Only shows the message to monitors. */
  show(body: readonly unknown[], fields: MessageFields): void {
    this.registry().capture(this.envelope, this.compose(body, fields), undefined);
  }

  /** Sends a signal of the driver to every subscriber. */
  broadcast(member: string, signature: string, body: readonly unknown[]): void {
    const registry = this.registry();
    const serial = this.nextBroadcastSerial();
    if (!registry.hasListeners) return;
    const message = this.compose(body, {
      type: MessageType.Signal,
      flags: MessageFlag.NoReplyExpected,
      serial,
      path: DRIVER_PATH,
      interface: DRIVER_NAME,
      member,
      signature,
    });
    registry.capture(this.envelope, message, undefined);
    if (!registry.mirrors.isBehind) {
      registry.broadcast(this.envelope, message, undefined);
      return;
    }
    const bytes = message.copyBytes();
    registry.mirrors.whenSettled(() => {
      registry.broadcast(this.envelope, this.composed(bytes), undefined);
    });
  }

  /** Sends a control message after everything that was sent before. */
  instruct(handle: Handle, bytes: Uint8Array): void {
    this.registry().mirrors.whenSettled(() => {
      const message = this.control.clear();
      message.addPiece(bytes, 0, bytes.length);
      if (handle.live) this.peer.send(handle, message);
    });
  }

  // Messages of others that pass through the driver.

  showFrom(sender: Connection, bytes: Uint8Array): void {
    this.registry().capture(this.envelope, this.composed(bytes), sender);
  }

  broadcastFrom(sender: Connection, bytes: Uint8Array): SentMessage {
    this.registry().broadcast(this.envelope, this.composed(bytes), sender);
    return this.composed(bytes);
  }

  letOverhear(sender: Connection, bytes: Uint8Array): void {
    this.registry().eavesdrop(this.envelope, this.composed(bytes), sender);
  }

  showRefusal(envelope: Envelope, sender: Connection | undefined, facet: Facet): void {
    this.witness.showRefusal(envelope.header, sender, facet);
  }

  /** Sends the composed message if the policy allows it for this receiver. */
  private pass(handle: Handle, message: DriverMessage, facet: Facet | null, isLast = false): void {
    const isDenied = facet !== null && !facet.check(this.envelope.header);
    if (isDenied) this.showRefusal(this.envelope, undefined, facet);
    else if (this.registry().mirrors.isBehind) return this.passLater(handle, message, isLast);
    else this.peer.send(handle, message);
    if (isLast && handle.live) this.peer.release(handle);
  }

  private passLater(handle: Handle, message: DriverMessage, isLast: boolean): void {
    const bytes = message.copyBytes();
    const descriptors = message.descriptors?.retain() ?? null;
    this.registry().mirrors.whenSettled(() => {
      const again = this.composed(bytes);
      again.descriptors = descriptors;
      if (handle.live) this.peer.send(handle, again);
      descriptors?.drop();
      if (isLast && handle.live) this.peer.release(handle);
    });
  }

  /** A message whose bytes are valid until the next one is composed: whoever queues it copies them. */
  private compose(body: readonly unknown[], fields: MessageFields): DriverMessage {
    this.composer.compose(this.envelope.header, fields, body);
    return this.enveloped();
  }

  private composed(bytes: Uint8Array): DriverMessage {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.envelope.header.scan(bytes, view, 0, bytes.length);
    return this.enveloped();
  }

  /** The message that the envelope's header was scanned from. */
  private enveloped(): DriverMessage {
    const { bytes, end } = this.envelope.header;
    const message = this.message.clear();
    message.note = this.envelope;
    message.newNode = NewNode.None;
    message.addPiece(bytes, 0, end);
    return message;
  }
}
