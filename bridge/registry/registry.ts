import {
  Message,
  ReceivedType,
  type Handle,
  type LocalDomain,
  type Node,
  type Received,
  type ResourceUser,
} from '#core/index.js';

import { Connection } from './connection.js';
import { Control, controlMessage, readControl, Resolution } from './control-message.js';
import { appearance, watching, type ChangeWithHandle } from './directory-change.js';
import {
  Directory,
  type DirectoryEvents,
  type DirectoryHandle,
  type DirectoryPeer,
} from './directory.js';
import type { Grants } from './grants.js';
import type { MatchRule } from './match-rule.js';
import { Mirrors } from './mirrors.js';
import { Monitor } from './monitors.js';
import { Peaks } from './peaks.js';
import { Names, type NameChange } from './names.js';

/** Events that the driver handles, such as names lost because handles died. */
export interface RegistryEvents extends DirectoryEvents {
  nameChanged(change: NameChange<Connection>): void;
  connectionGone(connection: Connection): void;
  monitorGone(connection: Connection): void;
  /**
   * A handle of the registry's to a node where messages of `sender` for an unowned name can wait; undefined when no
   * service can be started for it.
   */
  parkingFor(name: string, sender: Connection): Handle | undefined;
  /** A request of `sender`, which came from the process `origin` (0: this one), failed with an internal error. */
  failed(origin: number, sender: Connection | undefined, error: unknown): void;
  /** An owner has no node for its name yet; `giveUp` must be called after a timeout. */
  nodeAwaited(giveUp: () => void): void;
}

/** A Resolve request that waits until the owner has a node for the name. */
interface AwaitingNode {
  readonly name: string;
  readonly sender: Connection;
  readonly reply: Handle;
}

/** The `context` of the registry's handle to a name node. */
export class FiledName {
  readonly connection: Connection;
  readonly name: string;

  constructor(connection: Connection, name: string) {
    this.connection = connection;
    this.name = name;
  }
}

/**
 * The peer that knows which name leads to which handle. Senders ask it on first contact only; the handle that they
 * get dies with its node, so a change of owner needs no notification of the senders.
 */
export class Registry extends Directory {
  declare readonly peer: DirectoryPeer;
  readonly names = new Names<Connection>();
  readonly peaks = new Peaks();
  readonly mirrors = new Mirrors(this);
  /** lookups that were answered since the start */
  lookups = 0;

  /** called before anyone else is notified of a change of owner */
  onOwnerChange: ((change: NameChange<Connection>) => void) | null = null;
  /**
   * A handle of the registry's that `sender` gets in place of the one to the owner or the parking node of `name`.
   * Undefined: it gets the usual one.
   */
  translatorFor:
    | ((name: string, sender: Connection, owner: Connection | undefined) => Handle | undefined)
    | null = null;

  private readonly events: RegistryEvents;
  private readonly answer = new Message<never, never>();
  private readonly awaitingNode = new Set<AwaitingNode>();

  constructor(
    domain: LocalDomain,
    user: ResourceUser,
    grants: Grants,
    onArrival: () => void,
    events: RegistryEvents,
  ) {
    super(domain.openPeer({ user, onArrival }), grants, events);
    this.events = events;
    this.onChange = (change, handle) => this.mirrors.publish(change, handle);
    this.onAppearance = (connection) => {
      if (this.mirrors.hasAny) this.mirrors.publish(appearance(connection), connection.inbox);
    };
  }

  primary(name: string): Connection | undefined {
    return this.names.primary(name);
  }

  override noteOwnership(change: NameChange<Connection>): void {
    super.noteOwnership(change);
    this.onOwnerChange?.(change);
  }

  /** Processes everything that has arrived. */
  run(): void {
    for (let entry = this.peer.receive(); entry !== undefined; entry = this.peer.receive()) {
      if (entry.type === ReceivedType.User) {
        this.attempt(entry);
      } else if (entry.type === ReceivedType.HandleRelease) this.mirrors.released(entry.node);
      else if (!this.mirrors.lost(entry.handle)) this.lost(entry.handle);
    }
  }

  private attempt(entry: Extract<Received, { type: 0 }>): void {
    try {
      if (!this.mirrors.received(entry)) this.asked(entry);
    } catch (error) {
      this.events.failed(entry.origin, senderAt(entry.node), error);
    }
  }

  /** Everything that a new mirror needs. */
  *snapshot(): Generator<ChangeWithHandle> {
    for (const connection of this.connections.values()) {
      const { number, inbox } = connection;
      yield { change: appearance(connection), handle: inbox };
      for (const name of connection.names) {
        if (!name.startsWith(':')) yield { change: { kind: 'joined', number, name } };
      }
      for (const rule of this.subscriptions.rulesOf(connection)) {
        yield { change: { kind: 'subscribed', number, rule } };
      }
    }
    for (const name of this.names.list()) {
      const newOwner = this.names.primary(name)?.number ?? -1;
      yield { change: { kind: 'owner', name, oldOwner: -1, newOwner } };
    }
    for (const { handle, rules, connection } of this.monitors) {
      yield { change: watching(connection, rules), handle };
    }
  }

  override add(connection: Connection): void {
    super.add(connection);
    if (connection.isNative) this.tellOfStrangers(connection);
    this.peaks.noteNames(connection, this.busNameCount);
  }

  override joined(name: string, connection: Connection): void {
    super.joined(name, connection);
    this.introduceAgain(connection);
    this.peaks.noteNames(connection, this.busNameCount);
  }

  override left(name: string, connection: Connection): void {
    super.left(name, connection);
    this.introduceAgain(connection);
  }

  /** The policy has changed: notifies native peers, which check what they receive themselves. */
  policyChanged(): void {
    if (this.nativeCount === 0) return;
    for (const connection of this.connections.values()) {
      if (!connection.isNative) continue;
      this.tellOfStrangers(connection);
      this.introduceAgain(connection);
    }
  }

  override subscribe(rule: MatchRule, connection: Connection): void {
    super.subscribe(rule, connection);
    this.peaks.noteMatchRules(connection, this.subscriptions.ruleCount);
  }

  /** Files the handle to a node under which `connection` can be reached by `name`. */
  fileName(name: string, connection: Connection, handle: DirectoryHandle): void {
    handle.context = new FiledName(connection, name);
    connection.nameHandles.set(name, handle);
    this.joined(name, connection);
    this.resolveAgain();
  }

  /** The number of connections that have said Hello, including monitors. */
  get activeCount(): number {
    return this.connections.size + this.monitors.count;
  }

  /** Names that lead somewhere: unique ones and owned ones. */
  get busNameCount(): number {
    return this.connections.size + this.names.count;
  }

  private asked(entry: Extract<Received, { type: 0 }>): void {
    entry.descriptors?.drop();
    const sender = senderAt(entry.node);
    const message = sender && readControl('registry', entry, !sender.isNative);
    const [reply] = entry.handles;
    if (sender === undefined || message === undefined || reply === undefined) {
      return this.peer.releaseAll(entry.handles.filter(({ live }) => live));
    }
    const { name } = message;
    this.lookups++;
    if (this.mirrors.count === 0) return this.resolve(name, sender, reply);
    /* a new owner is notified before anyone can send to it */
    this.mirrors.whenSettled(() => {
      if (reply.live) this.resolve(name, sender, reply);
    });
  }

  private resolve(name: string, sender: Connection, reply: Handle): void {
    const owner = this.owner(name);
    if (owner === undefined) return this.replyUnowned(reply, name, sender);
    const handle = name.startsWith(':') ? owner.inbox : owner.nameHandles.get(name);
    if (handle === undefined) return this.awaitNode({ name, sender, reply });
    this.introduce(sender, owner);
    this.introduce(owner, sender);
    const translated = this.translatorFor?.(name, sender, owner);
    this.reply(reply, Resolution.Owned, translated ?? handle, owner.number);
    if (translated !== undefined) this.peer.release(translated);
  }

  /** The owner has the name, but the new node for it has not arrived yet. */
  private awaitNode(question: AwaitingNode): void {
    const { awaitingNode } = this;
    awaitingNode.add(question);
    this.events.nodeAwaited(() => {
      if (!awaitingNode.delete(question) || !question.reply.live) return;
      this.reply(question.reply, Resolution.Unowned, undefined, -1);
    });
  }

  private resolveAgain(): void {
    const questions = [...this.awaitingNode];
    this.awaitingNode.clear();
    for (const { name, sender, reply } of questions) {
      if (reply.live) this.resolve(name, sender, reply);
    }
  }

  /**
   * Tells a native receiver who a native sender is and what the policy lets it send, before its first message or
   * reply: only the receiver checks what native peers send to each other.
   */
  private introduce(sender: Connection, receiver: Connection): void {
    const { isNative, process, number, uniqueName: name } = sender;
    if (!isNative || !receiver.isNative || process === receiver.process) return;
    const facet = this.grants.directedFacet(sender, receiver);
    const replyFacet = this.grants.replyFacet(sender, receiver);
    const known = receiver.introduced.get(number);
    if (known?.facet === facet && known.replyFacet === replyFacet) return;
    receiver.introduced.set(number, { facet, replyFacet });
    const facets = { facet: facet?.data ?? null, replyFacet: replyFacet?.data ?? null };
    const message = controlMessage(this.answer, Control.Introduce, { name, process, ...facets });
    this.instruct(receiver, message);
  }

  /** Updates what introduced peers may send to each other, which depends on their names. */
  private introduceAgain(connection: Connection): void {
    for (const number of connection.introduced.keys()) {
      const other = this.numbered.get(number);
      if (other === undefined) continue;
      this.introduce(connection, other);
      this.introduce(other, connection);
    }
  }

  private tellOfStrangers(connection: Connection): void {
    const areWelcome = this.grants.isOpen;
    this.instruct(connection, controlMessage(this.answer, Control.Strangers, { areWelcome }));
  }

  private instruct({ inbox }: Connection, message: Message<never, never>): void {
    if (inbox.live) this.peer.send(inbox, message);
  }

  private replyUnowned(to: Handle, name: string, sender: Connection): void {
    const parking =
      this.translatorFor?.(name, sender, undefined) ?? this.events.parkingFor(name, sender);
    if (parking === undefined) return this.reply(to, Resolution.Unowned, undefined, -1);
    this.reply(to, Resolution.Activatable, parking, -1);
    this.peer.release(parking);
  }

  private reply(
    to: Handle,
    resolution: Resolution,
    handle: Handle | undefined,
    owner: number,
  ): void {
    const message = controlMessage(this.answer, Control.Resolved, { resolution, owner });
    if (handle !== undefined) message.addTransfer(handle);
    this.peer.send(to, message);
    /* if the message could not be sent, HANDLE_RELEASE tells the asker that no answer comes */
    if (to.live) this.peer.release(to);
  }

  /** NODE_RELEASE: a name node or an inbox is gone, for whatever cause. */
  private lost(handle: DirectoryHandle): void {
    const context = handle.context;
    if (context instanceof Monitor) this.lostMonitor(context);
    else if (context instanceof FiledName) this.lostName(context, handle);
    else if (context instanceof Connection) this.lostConnection(context);
  }

  private lostName({ connection, name }: FiledName, handle: Handle): void {
    if (connection.nameHandles.get(name) !== handle) return;
    if (connection.inbox.node.live) {
      this.loseName(name, connection);
      return;
    }
    /* the whole connection is gone: it loses its names in dbus-daemon's order, the one that it joined last first */
    for (const each of this.names.joinedNamesOf(connection).toReversed()) {
      this.loseName(each, connection);
    }
  }

  private loseName(name: string, connection: Connection): void {
    connection.nameHandles.delete(name);
    this.left(name, connection);
    const { change } = this.names.release(name, connection);
    if (change === undefined) return;
    this.noteOwnership(change);
    this.events.nameChanged(change);
  }

  private lostMonitor(monitor: Monitor): void {
    this.unwatch(monitor);
    this.events.monitorGone(monitor.connection);
  }

  private lostConnection(connection: Connection): void {
    connection.live = false;
    const dropsRulesNaming = connection.matchRuleCount > 0 || connection.isMonitor;
    this.subscriptions.removeAll(connection);
    /* names that it waited for, or that it had no node for at the moment */
    for (const name of this.names.joinedNamesOf(connection)) this.loseName(name, connection);
    this.events.connectionGone(connection);
    this.remove(connection, dropsRulesNaming);
    this.resolveAgain();
    if (!connection.isNative) return;
    for (const other of this.connections.values()) other.introduced.delete(connection.number);
  }
}

/** The connection whose messages arrive at a node of the driver or registry; undefined: the node is not one's own. */
export function senderAt({ context }: Node): Connection | undefined {
  return context instanceof Connection ? context : undefined;
}
