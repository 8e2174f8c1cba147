import { Message, ReceivedType, type Received } from '#core/index.js';

import { Connection, NO_CREDENTIALS, NO_FIGURES } from './connection.js';
import { Control, controlMessage, readControl, type FieldsIn } from './control-message.js';
import type { ChangeOf, DirectoryChange } from './directory-change.js';
import {
  Directory,
  type DirectoryEvents,
  type DirectoryHandle,
  type DirectoryHandleContext,
  type DirectoryNodeContext,
  type DirectoryPeer,
} from './directory.js';
import { uniqueName } from './envelope.js';
import type { Grants } from './grants.js';
import type { HostReport } from './host-report.js';
import { validMatchRule } from './match-rule.js';
import { Monitor } from './monitors.js';

/** A client that another process has accepted; its socket comes with the message. */
export type NewClient = FieldsIn<'Client'>;

type Arrival = Extract<Received<DirectoryNodeContext, DirectoryHandleContext>, { type: 0 }>;

export interface ReplicaEvents extends DirectoryEvents {
  /** whether a process of the domain is one of the bus */
  isOfBus(process: number): boolean;
  /** `fd` is valid only during the call. */
  clientCame(fd: number, client: NewClient): void;
  /** A name has another owner, or none. */
  ownerChanged(name: string): void;
  policyChanged(change: ChangeOf<'policy'>): void;
  report(): HostReport;
}

/**
 * The `context` of the node at which the driver confirms that everything has been sent: by releasing its handle.
 */
export class Synchronisation {
  readonly finish: () => void;

  constructor(finish: () => void) {
    this.finish = finish;
  }
}

/**
 * The directory of a host whose registry is in another process: it applies the registry's changes and acknowledges
 * them.
 */
export class Replica extends Directory {
  declare readonly peer: DirectoryPeer;
  private readonly owners = new Map<string, Connection>();
  private readonly events: ReplicaEvents;
  private readonly answer = new Message<never, never>();

  constructor(peer: DirectoryPeer, grants: Grants, events: ReplicaEvents) {
    super(peer, grants, events);
    this.events = events;
  }

  primary(name: string): Connection | undefined {
    return this.owners.get(name);
  }

  /** Processes everything that has arrived. */
  run(): void {
    for (let entry = this.peer.receive(); entry !== undefined; entry = this.peer.receive()) {
      if (entry.type === ReceivedType.User) this.received(entry);
      else if (entry.type === ReceivedType.NodeRelease) this.lost(entry.handle);
      else if (entry.node.context instanceof Synchronisation) entry.node.context.finish();
    }
  }

  private received(entry: Arrival): void {
    const message = readControl('replica', entry, this.events.isOfBus(entry.origin));
    const { descriptors } = entry;
    const handles = [...entry.handles];
    if (message?.type === 'Client') {
      const [fd] = descriptors?.fds ?? [];
      if (fd !== undefined) this.events.clientCame(fd, message);
    } else if (message?.type === 'Change') {
      const { change } = message;
      const brings = change.kind === 'connection' || change.kind === 'monitor';
      this.apply(change, brings ? handles.shift() : undefined);
    } else if (message?.type === 'Report') {
      const report = this.events.report();
      const reply = handles.shift();
      const answer = controlMessage(this.answer, Control.Reported, { report });
      if (reply !== undefined) this.peer.send(reply, answer);
    }
    descriptors?.drop();
    this.peer.releaseAll(handles);
  }

  private apply(change: DirectoryChange, handle: DirectoryHandle | undefined): void {
    if (change.kind === 'connection') return this.appeared(change, handle);
    if (change.kind === 'owner') return this.owned(change);
    if (change.kind === 'policy') return this.events.policyChanged(change);
    const connection = this.numbered.get(change.number);
    if (change.kind === 'monitor') return this.watched(change, handle, connection);
    if (connection === undefined) return;
    switch (change.kind) {
      case 'gone':
        this.remove(connection, change.dropsRulesNaming);
        if (connection.inbox.live) this.peer.release(connection.inbox);
        break;
      case 'joined':
        this.joined(change.name, connection);
        break;
      case 'left':
        this.left(change.name, connection);
        break;
      case 'subscribed':
        this.subscribe(validMatchRule(change.rule), connection);
        break;
      case 'unsubscribed':
        this.unsubscribe(validMatchRule(change.rule), connection);
    }
  }

  private appeared(change: ChangeOf<'connection'>, handle: DirectoryHandle | undefined): void {
    if (handle === undefined) return;
    const credentials = { ...change.credentials, pidFd: undefined };
    const connection = new Connection(credentials, () => NO_FIGURES);
    connection.number = change.number;
    connection.uniqueName = uniqueName(change.number);
    connection.process = change.process;
    connection.takesDescriptors = change.takesDescriptors;
    connection.isNative = change.isNative;
    connection.inbox = handle;
    this.grants.classify(connection);
    this.add(connection);
  }

  private owned({ name, oldOwner, newOwner }: ChangeOf<'owner'>): void {
    const owner = this.numbered.get(newOwner);
    this.noteOwnership({ name, oldOwner: this.numbered.get(oldOwner), newOwner: owner });
    if (owner === undefined) this.owners.delete(name);
    else this.owners.set(name, owner);
    this.events.ownerChanged(name);
  }

  private watched(
    { rules }: ChangeOf<'monitor'>,
    handle: DirectoryHandle | undefined,
    connection: Connection | undefined,
  ): void {
    if (handle === undefined) return;
    const watcher = connection ?? new Connection(NO_CREDENTIALS, () => NO_FIGURES);
    this.watch(handle, rules.map(validMatchRule), watcher);
  }

  private lost({ context }: DirectoryHandle): void {
    if (context instanceof Monitor) this.unwatch(context);
  }
}
