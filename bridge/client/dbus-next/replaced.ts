/** dbus-next, and its fork with the same API. */
const REPLACED: readonly string[] = ['dbus-next', '@jellybrick/dbus-next'];

/** Whether a program that asks for this module is to get the adapter. */
export function isReplaced(specifier: string): boolean {
  return REPLACED.includes(specifier);
}
