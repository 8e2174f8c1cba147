import type { Handle, Message, Peer } from '#core/index.js';
import { emptyList } from '#core/stable-shape.js';
import type { MessageHeader } from '#bridge/wire/header.js';

import type { Connection } from './connection.js';
import type { DirectoryHandle } from './directory.js';
import { MatchIndex, type MatchSubject } from './match-index.js';
import { asMonitorRule, type MatchRule } from './match-rule.js';

/** A connection that has left the bus in order to watch it: all that is left of it is a handle to send copies to. */
export class Monitor {
  readonly handle: Handle;
  readonly rules: readonly MatchRule[];
  /** what it was before */
  readonly connection: Connection;

  constructor(handle: Handle, rules: readonly MatchRule[], connection: Connection) {
    this.handle = handle;
    this.rules = rules;
    this.connection = connection;
  }
}

/** All monitors. Each gets a copy of every message that its rules match. */
export class Monitors {
  private readonly peer: Peer;
  private readonly index: MatchIndex<Monitor>;
  private readonly matched = emptyList<Monitor>();
  private readonly all = new Set<Monitor>();

  /** `peer` holds the handles; ids are those of the subscriptions' interner. */
  constructor(peer: Peer, interner: MatchIndex<Monitor>['interner']) {
    this.peer = peer;
    this.index = new MatchIndex<Monitor>({ interner });
  }

  get count(): number {
    return this.all.size;
  }

  [Symbol.iterator](): Iterator<Monitor> {
    return this.all.values();
  }

  /** Without rules a monitor sees everything (D-Bus specification, BecomeMonitor). */
  add(handle: DirectoryHandle, rules: readonly MatchRule[], connection: Connection): void {
    const monitor = new Monitor(handle, rules, connection);
    handle.context = monitor;
    for (const rule of rules) this.index.add(asMonitorRule(rule), monitor);
    this.all.add(monitor);
  }

  remove(monitor: Monitor): void {
    this.index.removeAll(monitor);
    this.all.delete(monitor);
  }

  /** Sends to each monitor separately: one that does not read misses only its own copies. */
  capture(
    subject: MatchSubject & { readonly header: MessageHeader },
    message: Message,
    payer: Peer,
  ): void {
    this.matched.length = 0;
    this.index.collect(subject, this.matched);
    for (const { handle } of this.matched) this.peer.send(handle, message, payer);
  }
}
