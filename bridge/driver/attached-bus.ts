import type { Handle } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { SentMessage } from '#bridge/registry/envelope.js';
import type { MatchRule } from '#bridge/registry/match-rule.js';
import type { NameChange } from '#bridge/registry/names.js';

import type { DriverError } from './driver-error.js';

/** Called when the other bus has decided: with the refusal, if there is one. */
export type Decided = (refusal: DriverError | undefined) => void;

/** A RequestName that also depends on the other bus: either `grant` or `refuse` is called, once. */
export interface NameClaim {
  /** Grants the name as RequestName does, with these flags instead of the client's. */
  grant(flags?: number): void;
  /** Tells the client that it owns the name, before `grant`; if `refuse` follows, the client gets NameLost. */
  promise(): void;
  refuse(error: DriverError): void;
}

/** Another bus that this one is attached to, as the driver sees it (bridge/uplink). */
export interface AttachedBus {
  /** imported names of services that it can start */
  readonly activatableNames: readonly string[];
  /**
   * Hello: calls `named` with the number of the unique name that the connection has on the other bus and gets here,
   * too; -1: it has none there. False: the connection gets no name there, and `named` is not called.
   */
  greet(connection: Connection, named: (number: number) => void): boolean;
  /**
   * Looks up a unique name that no connection of this bus has: calls back when a stand-in for the connection with
   * that name exists here, or when the other bus has no such connection. False: there can be none.
   */
  lookUp(name: string, asker: Connection, done: () => void): boolean;
  /** RequestName. False: the name does not depend on the other bus, and `claim` is not used. */
  claim(connection: Connection, name: string, flags: number, claim: NameClaim): boolean;
  /** A connection has left the queue for this name. */
  nameLeft(name: string, connection: Connection): void;
  /** A native peer's broadcast: passed on to the other bus if the peer owns an exported name. */
  emitted(connection: Connection, message: SentMessage): void;
  nameChanged(change: NameChange<Connection>): void;
  /** AddMatch. False: the rule matches nothing on the other bus, and `decided` is not called. */
  subscribe(rule: MatchRule, connection: Connection, decided: Decided): boolean;
  /** RemoveMatch. False: the other bus does not have the rule, and `removed` is not called. */
  unsubscribe(rule: MatchRule, connection: Connection, removed: () => void): boolean;
  /** Whether the other bus starts this service, even if it could be started here, too. */
  startsThere(name: string): boolean;
  /** StartServiceByName of a name without owner; false: the name is not imported. `started`: the code of the reply. */
  start(
    connection: Connection,
    name: string,
    started: (code: number) => void,
    failed: (error: DriverError) => void,
  ): boolean;
  /** A handle of the registry's for messages of `sender` to an unowned name; undefined: the name is not imported. */
  gateFor(name: string, sender: Connection): Handle | undefined;
  connectionGone(connection: Connection): void;
}
