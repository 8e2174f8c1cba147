import type { Handle, Received } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';

/** What a shim gets when it is admitted. */
export interface Admission<HandleContext> {
  readonly connection: Connection;
  readonly driver: Handle<HandleContext>;
  readonly registry: Handle<HandleContext>;
}

/** A message that has arrived at a node of the driver: the door, or the node of a connection. */
export type Arrival = Extract<Received<Connection>, { type: 0 }>;
