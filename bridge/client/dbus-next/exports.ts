/** All that dbus-next exports, but its connections. */
export * from 'dbus-next';
export { sessionBus, systemBus, type BusOptions } from './open-bus.js';
