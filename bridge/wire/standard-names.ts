/** The bus itself (D-Bus specification, "Message Bus Messages"). */
export const DRIVER_NAME = 'org.freedesktop.DBus';
export const DRIVER_PATH = '/org/freedesktop/DBus';

/** D-Bus specification, "Standard Interfaces". */
export const PEER = 'org.freedesktop.DBus.Peer';
export const INTROSPECTABLE = 'org.freedesktop.DBus.Introspectable';
export const PROPERTIES = 'org.freedesktop.DBus.Properties';
