/** dbus-next without a socket: docs/dbus-next.md. Both `import dbus from` and `import { … } from` are in use. */
export * from './exports.js';
export * as default from './exports.js';
