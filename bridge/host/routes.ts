import { NewNode, SendStatus, type Message } from '#core/index.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import { DRIVER_NAME } from '#bridge/registry/registry.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';

import { Destination } from './destinations.js';
import { CAPTURE, NAME_NODE } from './node-contexts.js';
import { denied, notSent, speaksOutOfTurn, text } from './refusals.js';
import type { Shim } from './shim.js';

/** Ways off the hot path: to the driver, to everybody, and of messages that have to be rewritten. */

/** A message to org.freedesktop.DBus. */
export function sendToDriver(shim: Shim, header: MessageHeader): void {
  const { facet } = driverDestination(shim);
  if (shim.isMonitor) return speaksOutOfTurn(shim);
  if (facet !== null && shim.connection.isActive && !shim.host.permits(facet, header)) {
    return denied(shim, header, facet);
  }
  const message = shim.compose(header);
  const isCall = header.type === MessageType.MethodCall;
  if (isCall && (header.flags & MessageFlag.NoReplyExpected) === 0) {
    message.newNode = NewNode.OneShot;
    message.newNodeContext = header.serial;
    shim.pendingCalls++;
  }
  const attached = isCall ? attachedContext(text(header, 'member')) : undefined;
  if (attached === undefined) {
    deliver(shim, header, message);
    return;
  }
  const { node, handle } = shim.peer.createNode();
  node.context = attached;
  message.addTransfer(handle);
  deliver(shim, header, message);
  if (handle.live) shim.peer.release(handle);
}

function deliver(shim: Shim, header: MessageHeader, message: Message): void {
  const { handle } = shim.driver;
  const status = shim.peer.send(handle, message);
  if (status !== SendStatus.Sent) notSent(shim, header, message, status, handle);
}

/** Some methods give the driver a node: the one that a name will lead to, or the one that a monitor listens at. */
function attachedContext(member: string): typeof NAME_NODE | typeof CAPTURE | undefined {
  if (member === 'RequestName') return NAME_NODE;
  return member === 'BecomeMonitor' ? CAPTURE : undefined;
}

/** What the policy says about the driver is decided once the connection is known, and again in each epoch. */
function driverDestination(shim: Shim): Destination {
  const { grants } = shim.host;
  if (shim.driver.epoch === grants.epoch || !shim.connection.isActive) return shim.driver;
  shim.destinations.remove(shim.driver);
  shim.driver = newDriverDestination(shim, shim.driver.handle);
  return shim.driver;
}

export function newDriverDestination(shim: Shim, handle: Destination['handle']): Destination {
  const { grants } = shim.host;
  const { facet } = grants.withDriver(shim.connection);
  const destination = new Destination({
    name: Buffer.from(DRIVER_NAME),
    handle,
    facet: shim.connection.isActive ? facet : null,
    replyFacet: null,
    epoch: shim.connection.isActive ? grants.epoch : 0,
    isParking: false,
    isDriver: true,
  });
  shim.destinations.add(destination);
  return destination;
}

/** A message without destination: a signal goes to its subscribers, a call is for the other end of the socket. */
export function routeUndirected(shim: Shim, header: MessageHeader): void {
  if (shim.isMonitor) return speaksOutOfTurn(shim);
  if (header.type === MessageType.MethodCall) return answerAsPeer(shim, header);
  if (header.type !== MessageType.Signal) return;
  if (!shim.connection.isActive) return speaksOutOfTurn(shim);
  const message = shim.compose(header);
  shim.host.driver.registry.broadcast(shim.host.envelope, message, shim.connection);
}

/**
 * Answers as any program does on a connection without a bus: with a message that neither names a sender nor is shown to
 * monitors, even before Hello (the reference daemon leaves these calls to its library).
 */
function answerAsPeer(shim: Shim, header: MessageHeader): void {
  const member = text(header, 'member');
  const isForPeer = text(header, 'interface') === 'org.freedesktop.DBus.Peer';
  const fields = {
    flags: MessageFlag.NoReplyExpected,
    serial: shim.nextErrorSerial(),
    replySerial: header.serial,
  };
  if (isForPeer && member === 'Ping') {
    shim.sendUnseen(encodeMessage({ ...fields, type: MessageType.MethodReturn }));
  } else if (isForPeer && member === 'GetMachineId') {
    const { machineId } = shim.host.options;
    const type = MessageType.MethodReturn;
    shim.sendUnseen(encodeMessage({ ...fields, type, signature: 's' }, [machineId]));
  } else {
    const errorName = ErrorName.UnknownMethod;
    const why = `Without a destination, only Ping and GetMachineId of org.freedesktop.DBus.Peer can be called, not ${member}`;
    const type = MessageType.Error;
    shim.sendUnseen(encodeMessage({ ...fields, type, errorName, signature: 's' }, [why]));
  }
}

/** Somebody watches: monitors see what was sent, eavesdroppers what was delivered. */
export function routeObserved(shim: Shim, header: MessageHeader): void {
  const { host, connection } = shim;
  const { registry } = host.driver;
  /* a Hello is shown by the driver, once it is known who said it */
  const isForPeer = header.destinationLength === 0 && header.type !== MessageType.Signal;
  if (connection.isActive && !isForPeer)
    registry.capture(host.envelope, shim.compose(header), connection);
  const refusals = shim.refusals;
  shim.route(header);
  if (!shim.live || shim.refusals > refusals) return;
  registry.eavesdrop(host.envelope, shim.compose(header), connection);
}

/** A message that says who sent it, or has unknown fields: both are left out (the feature HeaderFiltering). */
export function routeCleaned(shim: Shim, header: MessageHeader): void {
  const field = (name: Parameters<typeof text>[1]): string | undefined =>
    header[`${name}Length`] === 0 ? undefined : text(header, name);
  const bytes = encodeMessage(
    {
      type: header.type,
      flags: header.flags,
      serial: header.serial,
      path: field('path'),
      interface: field('interface'),
      member: field('member'),
      errorName: field('errorName'),
      destination: field('destination'),
      replySerial: header.replySerial === 0 ? undefined : header.replySerial,
      signature: header.signature.text,
      unixFds: header.unixFds === 0 ? undefined : header.unixFds,
    },
    header.bytes.slice(header.bodyStart, header.end),
    header.littleEndian,
  );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  header.scan(bytes, view, 0, bytes.length);
  if (shim.host.driver.registry.isObserved) routeObserved(shim, header);
  else shim.route(header);
}
