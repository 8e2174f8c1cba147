import { Message, ReceivedType, type Received } from '#core/index.js';

import { fieldsOf, textOrNone } from '#bridge/wire/fields.js';

import { Connection, NO_CREDENTIALS, NO_FIGURES } from './connection.js';
import { ControlCode, parseControl } from './control-message.js';
import { decodeChange, type DirectoryChange } from './directory-change.js';
import type {
  DirectoryHandle,
  DirectoryHandleContext,
  DirectoryNodeContext,
  DirectoryPeer,
} from './directory-contexts.js';
import { Directory, type DirectoryEvents } from './directory.js';
import { uniqueName } from './envelope.js';
import type { Grants } from './grants.js';
import { encodeReport, type HostReport } from './host-report.js';
import { validMatchRule } from './match-rule.js';
import { Monitor } from './monitors.js';

/** A client that another process has accepted; its socket comes with the message. */
export interface NewClient {
  readonly isUnix: boolean;
  /** the bytes that it has to send first (nonce-tcp), in base64 */
  readonly nonce?: string | undefined;
  /** the address that it has connected to, without guid */
  readonly listener?: string | undefined;
}

type Arrival = Extract<Received<DirectoryNodeContext, DirectoryHandleContext>, { type: 0 }>;

export interface ReplicaEvents extends DirectoryEvents {
  /** `fd` is valid only during the call. */
  clientCame(fd: number, client: NewClient): void;
  /** A name has another owner, or none. */
  ownerChanged(name: string): void;
  policyChanged(change: Extract<DirectoryChange, { kind: 'policy' }>): void;
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
    const { code } = parseControl(entry.bytes.slice(0, 1));
    if (code === ControlCode.Client) return this.clientCame(entry);
    const handles = [...entry.handles];
    if (code === ControlCode.Change) {
      const change = decodeChange(entry.bytes.subarray(1));
      const brings = change.kind === 'connection' || change.kind === 'monitor';
      this.apply(change, brings ? handles.shift() : undefined);
    } else if (code === ControlCode.Report && handles.length > 0) {
      const bytes = encodeReport(this.events.report());
      const message = this.answer.clear();
      message.addPiece(bytes, 0, bytes.length);
      this.peer.send(handles.shift()!, message);
    }
    this.peer.release(...handles);
  }

  private clientCame({ bytes, descriptors }: Arrival): void {
    const { isUnix, nonce, listener } = fieldsOf(JSON.parse(parseControl(bytes).text));
    const client: NewClient = {
      isUnix: isUnix === true,
      nonce: textOrNone(nonce),
      listener: textOrNone(listener),
    };
    if (descriptors !== null) this.events.clientCame(descriptors.fds[0], client);
    descriptors?.drop();
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

  private appeared(
    change: Extract<DirectoryChange, { kind: 'connection' }>,
    handle: DirectoryHandle | undefined,
  ): void {
    if (handle === undefined) return;
    const connection = new Connection(change.credentials, () => NO_FIGURES);
    connection.number = change.number;
    connection.uniqueName = uniqueName(change.number);
    connection.process = change.process;
    connection.takesDescriptors = change.takesDescriptors;
    connection.isNative = change.isNative;
    connection.inbox = handle;
    this.grants.classify(connection);
    this.add(connection);
  }

  private owned({ name, oldOwner, newOwner }: Extract<DirectoryChange, { kind: 'owner' }>): void {
    const owner = this.numbered.get(newOwner);
    this.noteOwnership({ name, oldOwner: this.numbered.get(oldOwner), newOwner: owner });
    if (owner === undefined) this.owners.delete(name);
    else this.owners.set(name, owner);
    this.events.ownerChanged(name);
  }

  private watched(
    { rules }: Extract<DirectoryChange, { kind: 'monitor' }>,
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
