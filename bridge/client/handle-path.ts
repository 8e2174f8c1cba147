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
