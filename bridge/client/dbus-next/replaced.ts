/** dbus-next, and its forks, which have the same name in a scope of their own. */
const REPLACED = /^(?:@[^/]+\/)?dbus-next$/;

/** Whether a program that asks for this module is to get the adapter. */
export function isReplaced(specifier: string): boolean {
  return REPLACED.test(specifier);
}
