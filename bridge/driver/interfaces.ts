import { activation } from './activation.js';
import { busInterface } from './bus-interface.js';
import { introspectable } from './introspectable.js';
import type { DriverInterface } from './method.js';
import { monitoring } from './monitoring.js';
import { peerInterface } from './peer-interface.js';
import { properties } from './properties.js';
import { stats } from './stats.js';

/** All interfaces of the driver, in the order in which introspection shows them. */
export const INTERFACES: readonly DriverInterface[] = [
  busInterface,
  properties,
  introspectable,
  monitoring,
  stats,
  activation,
  peerInterface,
];
