/*
 * How an object that is reached through a capability appears in messages. Beside the interfaces that it was made with,
 * it has two for every holder of a capability to it. Paths have no meaning in them.
 */

/** `Subscribe(o listener)`: the signals of the object are sent to the listener, as long as it is there. */
export const SIGNALS = 'org.bus1.Signals';

/** `GetKind() -> (s service, s kind)`, of an object of a mapped service: what the mapping calls them. */
export const MAPPING = 'org.bus1.Mapping';

/** Begins a path that stands for a capability; then comes the index of its handle among those of the message. */
const PREFIX = '/org/bus1/handle/';

export function handlePath(index: number): string {
  return PREFIX + index;
}

/** The index, or -1 for any other path. */
export function handleIndex(path: string): number {
  if (!path.startsWith(PREFIX)) return -1;
  const digits = path.slice(PREFIX.length);
  return /^(?:0|[1-9]\d{0,8})$/.test(digits) ? Number(digits) : -1;
}
