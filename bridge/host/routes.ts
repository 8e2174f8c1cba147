import { NewNode, SendStatus } from '#core/index.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import { introspect } from '#bridge/driver/introspectable.js';
import { Resolution } from '#bridge/registry/control-message.js';
import { DRIVER_NAME, DRIVER_PATH } from '#bridge/registry/directory.js';
import type { Parcel } from '#bridge/peer/parcel.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { headerText } from '#bridge/wire/header-text.js';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageFlag, MessageType, wantsReply } from '#bridge/wire/types.js';
import type { Facet } from '#policy/index.js';

import { Destination } from './destinations.js';
import { CAPTURE, NAME_NODE, type Lookup, type ShimMessage } from './node-contexts.js';
import { adopt } from './resolving.js';
import { denied, driverGone, notSent, speaksOutOfTurn, unknownType } from './refusals.js';
import type { Shim } from './shim.js';
import { EffortOf } from './turn-share.js';
import { INTROSPECTABLE, PEER } from '#bridge/wire/standard-names.js';

/** Routes off the hot path: to the driver, without a destination, on an observed bus, and after a rewrite. */

/** A message to org.freedesktop.DBus. */
export function sendToDriver(shim: Shim, header: MessageHeader): void {
  shim.share.charge(EffortOf.DriverMessage);
  if (shim.isMonitor) return speaksOutOfTurn(shim);
  if (header.type > MessageType.Signal) return unknownType(shim, header);
  const facet = facetToDriver(shim, header);
  if (facet !== null && !shim.host.permits(facet, header)) {
    return denied(shim, header, facet);
  }
  const message = shim.compose(header);
  const isCall = header.type === MessageType.MethodCall;
  if (wantsReply(header)) {
    message.newNode = NewNode.OneShot;
    message.newNodeContext = header.serial;
    shim.pendingCalls++;
  }
  const attached = isCall ? attachedContext(headerText(header, 'member')) : undefined;
  if (attached === undefined) {
    deliver(shim, header, message);
    return;
  }
  const { node, handle } = shim.peer.createNode();
  node.context = attached;
  if (attached === CAPTURE) shim.becomingSerial = header.serial;
  message.addTransfer(handle);
  deliver(shim, header, message);
  if (handle.live) shim.peer.release(handle);
}

function deliver(shim: Shim, header: MessageHeader, message: ShimMessage): void {
  const { handle } = shim.driver;
  const status = shim.peer.send(handle, message);
  if (status === SendStatus.Sent) shim.host.registry.sentToDriver(shim);
  else if (status === SendStatus.BadHandle) driverGone(shim, header, message);
  else notSent(shim, header, message, status, handle);
}

/** Some methods give the driver a node: the one that a name will lead to, or the one that gets a monitor's copies. */
function attachedContext(member: string): typeof NAME_NODE | typeof CAPTURE | undefined {
  if (member === 'RequestName') return NAME_NODE;
  return member === 'BecomeMonitor' ? CAPTURE : undefined;
}

/** The facet for messages to the driver is decided once the connection has said Hello. */
function facetToDriver({ driver, connection, host }: Shim, { type }: MessageHeader): Facet | null {
  if (!connection.isActive) return null;
  if (type === MessageType.MethodReturn || type === MessageType.Error) {
    return host.grants.replyToDriver(connection);
  }
  if (!driver.isDecidedFor(connection)) driver.decide(connection, host.grants);
  return driver.facet;
}

export function newDriverDestination(shim: Shim, handle: Destination['handle']): Destination {
  const destination = new Destination({
    name: Buffer.from(DRIVER_NAME),
    handle,
    owner: null,
    isParking: false,
    isDriver: true,
  });
  shim.destinations.add(destination);
  return destination;
}

/** A message without destination: a signal goes to its subscribers, a call is for the other end of the socket. */
export function routeUndirected(shim: Shim, header: MessageHeader): void {
  const isCall = header.type === MessageType.MethodCall;
  /* the reference daemon's library answers these before the daemon gets to see that a monitor has sent them */
  if (shim.isMonitor && !isForPeer(header)) return speaksOutOfTurn(shim);
  if (isCall) return answerAsPeer(shim, header);
  if (header.type !== MessageType.Signal) return;
  /* that library treats every message with this interface as a call, and answers it */
  if (isForPeer(header)) return answer(shim, header, [UNKNOWN_TO_PEER], ErrorName.UnknownMethod);
  if (!shim.connection.isActive) return speaksOutOfTurn(shim);
  const message = shim.compose(header);
  shim.host.directory.broadcast(shim.host.envelope, message, shim.connection);
  shim.host.attachment?.emitted(shim.connection, message);
}

const UNKNOWN_TO_PEER = `Unknown method invoked on ${PEER} interface`;

function isForPeer(header: MessageHeader): boolean {
  return header.interfaceLength === PEER.length && headerText(header, 'interface') === PEER;
}

/**
 * Answers as every program does on a connection without a bus: with a message that neither names a sender nor is
 * shown to monitors, even before Hello (the reference daemon leaves these calls to its library).
 */
function answerAsPeer(shim: Shim, header: MessageHeader): void {
  const member = headerText(header, 'member');
  const name = header.interfaceLength === 0 ? undefined : headerText(header, 'interface');
  if (name === PEER) {
    if (member === 'Ping') answer(shim, header, []);
    else if (member === 'GetMachineId') answer(shim, header, [shim.host.options.machineId]);
    else answer(shim, header, [UNKNOWN_TO_PEER], ErrorName.UnknownMethod);
  } else if (member === 'Introspect' && (name === undefined || name === INTROSPECTABLE)) {
    answer(shim, header, [introspect([], DRIVER_PATH)]);
  } else {
    /* programs compare this text, which ends with a line feed (dbus/dbus-connection.c) */
    const signature = headerText(header, 'signature');
    const why = `Method "${member}" with signature "${signature}" on interface "${name ?? '(null)'}" doesn't exist\n`;
    answer(shim, header, [why], ErrorName.UnknownMethod);
  }
}

function answer(
  shim: Shim,
  header: MessageHeader,
  body: readonly [] | readonly [string],
  errorName?: string,
): void {
  shim.share.charge(EffortOf.Error);
  const bytes = encodeMessage(
    {
      type: errorName === undefined ? MessageType.MethodReturn : MessageType.Error,
      flags: MessageFlag.NoReplyExpected,
      serial: shim.errorSerials.next(),
      replySerial: header.serial,
      errorName,
      signature: body.length === 0 ? undefined : 's',
    },
    body,
  );
  shim.backlog.appendOwn(bytes);
}

/** Sends a message while the bus is observed: monitors see what was sent, eavesdroppers what was delivered. */
export function routeObserved(shim: Shim, header: MessageHeader): void {
  const { host, connection } = shim;
  const { directory: registry } = host;
  const isLate = isShownLate(shim, header);
  if (!isLate && isShownOnArrival(shim, header) && !isShownElsewhere(shim, header)) {
    registry.capture(host.envelope, shim.compose(header), connection);
  }
  const refusals = shim.refusals;
  shim.route(header);
  if (shim.isHolding) return;
  if (isLate) {
    host.settle();
    registry.capture(host.envelope, shim.compose(header), connection);
  }
  if (!shim.live || shim.refusals > refusals || isForDriver(header)) return;
  registry.eavesdrop(host.envelope, shim.compose(header), connection);
}

/** Sends a held message: the registry has resolved its destination. */
export function routeAgain(shim: Shim, parcel: Parcel, lookup: Lookup): void {
  const { host, connection } = shim;
  const { header } = host.envelope;
  parcel.scan(header);
  host.descriptors = parcel.take().descriptors;
  host.envelope.senderNumber = connection.number;
  const refusals = shim.refusals;
  const isShown = host.isRegistryHere || lookup.resolution === Resolution.Activatable;
  if (host.directory.isObserved && !isShown) {
    host.directory.capture(host.envelope, shim.compose(header), connection);
  }
  if (adopt(shim, lookup, header) === null) return;
  shim.route(header);
  if (!shim.live || shim.isHolding || shim.refusals > refusals) return;
  host.directory.eavesdrop(host.envelope, shim.compose(header), connection);
}

/**
 * As in the reference daemon, a request to start a service is shown before the message that caused it, and the errors
 * for a service that systemd could not start before systemd's report.
 */
function isShownLate({ host, connection }: Shim, header: MessageHeader): boolean {
  if (!host.isRegistryHere) return false;
  if (header.destinationLength === 0 || !connection.isActive) return false;
  if (isForDriver(header)) return isActivationFailure(header);
  const name = headerText(header, 'destination');
  if ((header.flags & MessageFlag.NoAutoStart) !== 0) return false;
  if (host.directory.owner(name) !== undefined) return false;
  if (!host.activator.isActivatable(name)) return false;
  const { facet } = host.grants.withServiceToStart(connection, name);
  return facet === null || facet.check(header);
}

/**
 * Whether the registry, in another process, must first decide if a service has to be started: then the message is
 * shown there, for the same reason.
 */
function isShownElsewhere(shim: Shim, header: MessageHeader): boolean {
  const { host, connection, destinations } = shim;
  const isSent = header.type === MessageType.MethodCall || header.type === MessageType.Signal;
  if (host.isRegistryHere || !isSent || header.destinationLength === 0) return false;
  if (!connection.isActive || shim.isMonitor) return false;
  if (isActivationFailure(header)) return true;
  const { bytes, destinationOffset, destinationLength } = header;
  const known = destinations.find(bytes, destinationOffset, destinationLength);
  if (known === null) return true;
  return !known.isDriver && known.isParking;
}

/** The driver shows what comes before the end of Hello, because it knows whether it was a Hello. */
function isShownOnArrival({ connection, isMonitor }: Shim, header: MessageHeader): boolean {
  if (isMonitor) return false;
  if (header.destinationLength === 0) {
    return header.type === MessageType.Signal;
  }
  const isKnownType = header.type <= MessageType.Signal;
  return connection.isActive || !isKnownType || !isForDriver(header);
}

/** systemd's signal that it could not start a service. */
function isActivationFailure(header: MessageHeader): boolean {
  const isSignal = header.type === MessageType.Signal && isForDriver(header);
  return isSignal && headerText(header, 'member') === 'ActivationFailure';
}

function isForDriver(header: MessageHeader): boolean {
  return headerText(header, 'destination') === DRIVER_NAME;
}

/** Routes a message with a SENDER field or unknown fields after removing these (the feature HeaderFiltering). */
export function routeCleaned(shim: Shim, header: MessageHeader): void {
  const field = (name: Parameters<typeof headerText>[1]): string | undefined =>
    header[`${name}Length`] === 0 ? undefined : headerText(header, name);
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
  if (shim.host.directory.isObserved) routeObserved(shim, header);
  else shim.route(header);
}
