/** dbus-next itself, or by way of a domain: their interfaces are the same. */
export type DbusNextKind = 'dbus-next' | 'dbus-next-native';

export function loadDbusNext(kind: DbusNextKind): Promise<typeof import('dbus-next')> {
  return kind === 'dbus-next' ? import('dbus-next') : import('#bridge/client/dbus-next/index.js');
}
