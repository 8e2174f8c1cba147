import { ErrorName } from '#bridge/driver/driver-error.js';
import { Resolution } from '#bridge/registry/control-message.js';
import { ErrorText } from '#bridge/wire/standard-errors.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { MessageFlag } from '#bridge/wire/types.js';

import { Destination } from './destinations.js';
import type { Lookup } from './node-contexts.js';
import { headerText } from '#bridge/wire/header-text.js';
import { sendError, unexpectedReply } from './refusals.js';
import type { Shim } from './shim.js';
import { EffortOf } from './turn-share.js';

/**
 * First contact with a name: asks the registry, which answers with a handle. Null: either there is no owner and the
 * client has got the error, or the message is held until the answer comes.
 */
export function resolve(shim: Shim, header: MessageHeader): Destination | null {
  shim.share.charge(EffortOf.Lookup);
  const lookup = shim.host.registry.resolve(shim, headerText(header, 'destination'), header);
  return lookup === null ? null : adopt(shim, lookup, header);
}

/** Makes a destination of the registry's answer; null: there is none, and the client has got the error. */
export function adopt(shim: Shim, lookup: Lookup, header: MessageHeader): Destination | null {
  const { name, handle, resolution } = lookup;
  /* the owner has lost the name while the answer was on its way: ask again */
  if (handle?.live === false && shim.registry.live) return resolve(shim, header);
  if (handle === null || !handle.live || refusesToStart(lookup, header)) {
    if (handle !== null && handle.live) shim.peer.release(handle);
    tellUnowned(shim, header, name);
    return null;
  }
  const { grants, directory } = shim.host;
  const isOwned = resolution === Resolution.Owned;
  const destination = new Destination({
    name: Buffer.from(name, 'latin1'),
    handle,
    owner: isOwned ? (directory.numbered.get(lookup.owner) ?? null) : null,
    isParking: resolution === Resolution.Activatable,
    isDriver: false,
  });
  destination.decide(shim.connection, grants);
  handle.context = destination;
  shim.destinations.add(destination);
  return destination;
}

/** A reply that names its addressee by a well-known name, or one for which there is no handle. */
export function replyByName(shim: Shim, header: MessageHeader): void {
  const name = headerText(header, 'destination');
  const caller = shim.host.directory.owner(name)?.number;
  if (caller === undefined && !isActivatable(shim, name)) return tellUnowned(shim, header, name);
  const reply = caller === undefined ? null : shim.replies.take(caller, header.replySerial);
  if (reply === null) unexpectedReply(shim, header);
  else shim.passReply(header, reply);
}

function isActivatable({ host }: Shim, name: string): boolean {
  return host.isRegistryHere && host.activator.isActivatable(name);
}

function refusesToStart(lookup: Lookup, header: MessageHeader): boolean {
  return (
    lookup.resolution === Resolution.Activatable && (header.flags & MessageFlag.NoAutoStart) !== 0
  );
}

/** The errors are dbus-daemon's (`bus/dispatch.c`, `bus/activation.c`). */
function tellUnowned(shim: Shim, header: MessageHeader, name: string): void {
  if (!shim.registry.live) {
    sendError(
      shim,
      header,
      ErrorName.Disconnected,
      `The owner of "${name}" is unknown: the registry of the bus has ended`,
    );
  } else if ((header.flags & MessageFlag.NoAutoStart) !== 0) {
    sendError(shim, header, ErrorName.NameHasNoOwner, ErrorText.nameHasNoOwner(name));
  } else {
    sendError(shim, header, ErrorName.ServiceUnknown, ErrorText.serviceUnknown(name));
  }
}
