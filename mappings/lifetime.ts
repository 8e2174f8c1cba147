import type { Ending, Mapping } from './mapping.js';
import { OBJECT_MANAGER } from './members.js';
import { objectFor } from './objects.js';
import { changeAt } from './place.js';
import type { MappedMessage } from './translate.js';

/**
 * The paths of the objects that have ended with a message of the service, whose handles have to be
 * released: a signal, or the return of a call. `self` is the path that the signal came from or the
 * call went to, and `body` what the service said, before it is translated.
 */
export function endedObjects(
  mapping: Mapping,
  message: MappedMessage,
  body: readonly unknown[],
  self: string,
): string[] {
  if (message.interface === OBJECT_MANAGER) return removedObject(mapping, message, body);
  const mapped = mapping.interfaces.get(message.interface);
  if (message.part === 'signal') {
    return pathsAt(mapped?.signals.get(message.member)?.ends, body, self);
  }
  if (message.part !== 'return') return [];
  return pathsAt(mapped?.methods.get(message.member)?.ends, message.call ?? [], self);
}

/** Whether a signal is kept for holders of the object that could not subscribe yet. */
export function isKept({ interfaces }: Mapping, message: MappedMessage): boolean {
  const { part, interface: name, member } = message;
  return part === 'signal' && interfaces.get(name)?.signals.get(member)?.isKept === true;
}

/** An object has ended when it has lost the first of its interfaces. */
function removedObject(
  mapping: Mapping,
  { part, member }: MappedMessage,
  [path, interfaces]: readonly unknown[],
): string[] {
  if (part !== 'signal' || member !== 'InterfacesRemoved' || typeof path !== 'string') return [];
  const main = objectFor(mapping, path)?.kind.interfaces[0];
  return Array.isArray(interfaces) && interfaces.includes(main) ? [path] : [];
}

function pathsAt(ends: Ending | undefined, body: readonly unknown[], self: string): string[] {
  if (ends === undefined) return [];
  if (ends === 'self') return [self];
  const paths: string[] = [];
  changeAt([...body], ends, (value) => {
    const path: unknown = Array.isArray(value) ? value.at(-1) : value;
    if (typeof path === 'string') paths.push(path);
    return value;
  });
  return paths;
}
