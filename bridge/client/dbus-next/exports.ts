/** All that dbus-next exports, but its connections, and with decorators of today. */
export * from 'dbus-next';
export { decorated as interface } from './decorators.js';
export { sessionBus, systemBus, type BusOptions } from './open-bus.js';
