import type { Handle, Message } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { Denial } from '#bridge/registry/denial.js';
import type { DenialRow } from '#bridge/registry/denials.js';
import type { HostStatus } from '#bridge/registry/host-report.js';
import type { BusLimits } from '#policy/index.js';

import type { AttachedBus } from './attached-bus.js';
import type { ServiceStarter } from './service-starter.js';

/** Why the configuration could not be reread: the error of ReloadConfig. */
export interface ReloadFailure {
  readonly errorName: string;
  readonly message: string;
}

/** A refused RequestName, with the rule that refused it. */
export interface OwnDenial {
  readonly text: string;
}

/** What its host supplies to the driver: settings and functions. */
export interface BusSettings {
  /** 32 hexadecimal digits (D-Bus specification, "UUIDs") */
  readonly guid: string;
  readonly machineId: string;
  readonly limits: BusLimits;
  /** the user that runs the bus */
  readonly uid: number;
  readonly pid: number;
  readonly hasSeLinux: boolean;
  readonly features: readonly string[];
  /** the verdict of the policy; undefined: allowed */
  mayOwn(connection: Connection, name: string): OwnDenial | undefined;
  /** Counts and logs a message of a connection that the policy has refused. */
  denied(connection: Connection, denial: Denial): void;
  /** Only counts: the log is for messages that this bus has refused itself. */
  counted(connection: Connection, denial: Denial['fields']): void;
  /** what the host that the driver runs in has refused */
  denials(): readonly DenialRow[];
  /** A broadcast of `sender` found no room at `inbox`. */
  missed(inbox: Handle, sender: Connection, message: Message): void;
  /** A request of a process of the domain (0: this one), or of a connection, failed with an internal error. */
  blame(origin: number, connection: Connection | undefined, error: unknown): void;
  isPrivileged(connection: Connection): boolean;
  readonly activator: ServiceStarter;
  /** the other bus that this one is attached to */
  readonly attached: AttachedBus | undefined;
  /** makes the control plane reread the configuration */
  reloadConfig(caller: Connection, done: (failure: ReloadFailure | undefined) => void): void;
  incompleteConnections(): number;
  /** counts of the host that the driver runs in */
  status(): HostStatus;
  /** counters of the core and of the host, by their names in Debug.Stats */
  figures(): Readonly<Record<string, number>>;
  /** uid, objects, bytes and descriptors charged to each user, in total and for each user on whose behalf */
  userAccounting(): readonly unknown[];
  /** runs `action` after `delayMs` */
  after(delayMs: number, action: () => void): void;
  /** a copy of a descriptor, for a message; undefined when too many are open */
  duplicateDescriptor(fd: number): number | undefined;
  closeDescriptor(this: void, fd: number): void;
}
