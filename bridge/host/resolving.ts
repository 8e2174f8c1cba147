import { NewNode } from '#core/index.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import { ControlCode, controlMessage, Resolution } from '#bridge/registry/control-message.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { MessageFlag } from '#bridge/wire/types.js';

import { Destination } from './destinations.js';
import { Lookup } from './node-contexts.js';
import { sendError, text, unexpectedReply } from './refusals.js';
import type { Shim } from './shim.js';

/**
 * First contact with a name, or the first after the policy changed: a question to the registry, whose answer brings a
 * handle. Null when there is none to be had; then the client has been told.
 */
export function resolve(
  shim: Shim,
  stale: Destination | null,
  header: MessageHeader,
): Destination | null {
  if (stale !== null) forget(shim, stale);
  const name = text(header, 'destination');
  const lookup = ask(shim, name);
  const { handle, grant } = lookup;
  if (handle === null || grant === null || refusesToStart(lookup, header)) {
    if (handle !== null) shim.peer.release(handle);
    tellUnowned(shim, header, name);
    return null;
  }
  const destination = new Destination({
    name: Buffer.from(name, 'latin1'),
    handle,
    facet: grant.facet,
    replyFacet: grant.replyFacet,
    epoch: shim.host.grants.epoch,
    isParking: lookup.resolution === Resolution.Activatable,
    isDriver: false,
  });
  handle.context = destination;
  shim.destinations.add(destination);
  return destination;
}

/** A reply that names its addressee by a well-known name, or one for which there is no handle. */
export function replyByName(shim: Shim, header: MessageHeader): void {
  const name = text(header, 'destination');
  const caller = shim.host.driver.registry.owner(name)?.number;
  if (caller === undefined && isUnowned(shim, name)) return tellUnowned(shim, header, name);
  const reply = caller === undefined ? null : shim.replies.take(caller, header.replySerial);
  if (reply === null) unexpectedReply(shim, header);
  else shim.passReply(header, reply);
}

function isUnowned(shim: Shim, name: string): boolean {
  const { handle } = ask(shim, name);
  if (handle !== null) shim.peer.release(handle);
  return handle === null;
}

function forget(shim: Shim, destination: Destination): void {
  shim.destinations.remove(destination);
  if (destination.handle.live) shim.peer.release(destination.handle);
}

function ask(shim: Shim, name: string): Lookup {
  const { host } = shim;
  const lookup = new Lookup();
  const message = controlMessage(host.control, ControlCode.Resolve, name);
  message.newNode = NewNode.OneShot;
  message.newNodeContext = lookup;
  shim.peer.send(shim.registry, message);
  host.settle();
  return lookup;
}

function refusesToStart(lookup: Lookup, header: MessageHeader): boolean {
  return (
    lookup.resolution === Resolution.Activatable && (header.flags & MessageFlag.NoAutoStart) !== 0
  );
}

/** The errors are dbus-daemon's (`bus/dispatch.c`, `bus/activation.c`). */
function tellUnowned(shim: Shim, header: MessageHeader, name: string): void {
  if ((header.flags & MessageFlag.NoAutoStart) !== 0) {
    sendError(shim, header, ErrorName.NameHasNoOwner, `Name "${name}" does not exist`);
  } else {
    sendError(
      shim,
      header,
      ErrorName.ServiceUnknown,
      `The name ${name} was not provided by any .service files`,
    );
  }
}
