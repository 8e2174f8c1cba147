/** dbus-next, and its forks, which have the same name in a scope of their own. */
const REPLACED = /^(?:@[^/]+\/)?dbus-next$/;

/** Whether a program that imports this module gets the adapter. */
export function isReplaced(specifier: string): boolean {
  return REPLACED.test(specifier);
}
