import { deserialize, serialize } from 'node:v8';

import { Message, ReceivedType, type Handle, type Peer, type Received } from '#core/index.js';

import { Connection, NO_CREDENTIALS, NO_FIGURES } from './connection.js';
import { ControlCode, parseControl } from './control-message.js';
import type { DirectoryChange } from './directory-change.js';
import { Directory, type DirectoryEvents } from './directory.js';
import { uniqueName } from './envelope.js';
import type { Grants } from './grants.js';
import type { HostReport } from './host-report.js';
import { MatchRuleFault, parseMatchRule, type MatchRule } from './match-rule.js';
import { Monitor } from './monitors.js';

/** A client that another process has accepted; its socket comes with the message. */
export interface NewClient {
  readonly isUnix: boolean;
  /** the bytes that it has to send first (nonce-tcp), in base64 */
  readonly nonce?: string | undefined;
  /** the address that it has connected to, without guid */
  readonly listener?: string | undefined;
}

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
  private readonly owners = new Map<string, Connection>();
  private readonly events: ReplicaEvents;
  private readonly answer = new Message();

  constructor(peer: Peer, grants: Grants, events: ReplicaEvents) {
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

  private received(entry: Extract<Received, { type: 0 }>): void {
    const { code } = parseControl(entry.bytes.slice(0, 1));
    if (code === ControlCode.Client) return this.clientCame(entry);
    const handles = [...entry.handles];
    if (code === ControlCode.Change) {
      const change = deserialize(entry.bytes.subarray(1)) as DirectoryChange;
      const brings = change.kind === 'connection' || change.kind === 'monitor';
      this.apply(change, brings ? handles.shift() : undefined);
    } else if (code === ControlCode.Report && handles.length > 0) {
      const bytes = serialize(this.events.report());
      const message = this.answer.clear();
      message.addPiece(bytes, 0, bytes.length);
      this.peer.send(handles.shift()!, message);
    }
    this.peer.release(...handles);
  }

  private clientCame({ bytes, descriptors }: Extract<Received, { type: 0 }>): void {
    const client = JSON.parse(parseControl(bytes).text) as NewClient;
    if (descriptors !== null) this.events.clientCame(descriptors.fds[0], client);
    descriptors?.drop();
  }

  private apply(change: DirectoryChange, handle: Handle | undefined): void {
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
        this.subscribe(ruleOf(change.rule), connection);
        break;
      case 'unsubscribed':
        this.unsubscribe(ruleOf(change.rule), connection);
    }
  }

  private appeared(
    change: Extract<DirectoryChange, { kind: 'connection' }>,
    handle: Handle | undefined,
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
    handle: Handle | undefined,
    connection: Connection | undefined,
  ): void {
    if (handle === undefined) return;
    const watcher = connection ?? new Connection(NO_CREDENTIALS, () => NO_FIGURES);
    this.watch(handle, rules.map(ruleOf), watcher);
  }

  private lost({ context }: Handle): void {
    if (context instanceof Monitor) this.unwatch(context);
  }
}

/** Parses a rule that the registry has accepted. */
function ruleOf(text: string): MatchRule {
  const rule = parseMatchRule(text);
  if (rule instanceof MatchRuleFault)
    throw new Error(`the registry sent the rule ${text}: ${rule.message}`);
  return rule;
}
