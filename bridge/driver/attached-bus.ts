import type { Handle, Message } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { MatchRule } from '#bridge/registry/match-rule.js';
import type { NameChange } from '#bridge/registry/names.js';

import type { DriverError } from './driver-error.js';

/** Called when the other bus has decided: with the refusal, if there is one. */
export type Decided = (refusal: DriverError | undefined) => void;

/** What becomes of a RequestName that the other bus has a say in: either `grant` or `refuse` is called, once. */
export interface NameClaim {
  /** Gives the name out as RequestName does, with these flags instead of the client's. */
  grant(flags?: number): void;
  /** Tells the client that it owns the name, ahead of `grant`; if `refuse` follows, it is told that it has lost it. */
  promise(): void;
  refuse(error: DriverError): void;
}

/** Another bus that this one is attached to, as the driver sees it (bridge/uplink). */
export interface AttachedBus {
  /** imported names of services that it can start */
  readonly activatableNames: readonly string[];
  /**
   * Hello: calls back with the number of the unique name that the connection has over there, and is to have here; -1:
   * it has none. False: it gets none, and nobody calls back.
   */
  greet(connection: Connection, named: (number: number) => void): boolean;
  /**
   * A unique name that nobody has here is asked about: calls back when a connection over there that has it stands
   * here, too, or when there is none. False: there can be none.
   */
  lookUp(name: string, asker: Connection, done: () => void): boolean;
  /** RequestName: false: the other bus has no say in this name, and `claim` is left alone. */
  claim(connection: Connection, name: string, flags: number, claim: NameClaim): boolean;
  /** A connection does not stand in the queue for this name any more. */
  nameLeft(name: string, connection: Connection): void;
  /** A broadcast of a native peer's: heard over there if it owns an exported name. */
  emitted(connection: Connection, message: Message): void;
  nameChanged(change: NameChange<Connection>): void;
  /** AddMatch: false: the rule is about nothing over there, and `decided` is not called. */
  subscribe(rule: MatchRule, connection: Connection, decided: Decided): boolean;
  /** RemoveMatch: false: nothing is to be removed over there, and `removed` is not called. */
  unsubscribe(rule: MatchRule, connection: Connection, removed: () => void): boolean;
  /** Whether the other bus is the one that starts this service, even if it could be started here, too. */
  startsThere(name: string): boolean;
  /** StartServiceByName of a name without owner; false: the name is not imported. `started`: the code of the reply. */
  start(
    connection: Connection,
    name: string,
    started: (code: number) => void,
    failed: (error: DriverError) => void,
  ): boolean;
  /** Where messages of `sender` for an unowned name go; undefined: it is not imported. The handle is the registry's. */
  gateFor(name: string, sender: Connection): Handle | undefined;
  connectionGone(connection: Connection): void;
}
