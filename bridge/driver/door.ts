import {
  CLOSED_SINK,
  Message,
  ResourceUser,
  type Handle,
  type Node,
  type Peer,
  type Received,
} from '#core/index.js';
import {
  Connection,
  NO_FIGURES,
  type ConnectionFigures,
  type Credentials,
} from '#bridge/registry/connection.js';
import {
  Control,
  controlMessage,
  readControl,
  type FieldsIn,
} from '#bridge/registry/control-message.js';
import type { DirectoryHandle } from '#bridge/registry/directory.js';

import type { Driver } from './driver.js';

/** What a shim gets when it is admitted. */
export interface Admission<HandleContext> {
  readonly connection: Connection;
  readonly driver: Handle<HandleContext>;
  readonly registry: Handle<HandleContext>;
}

/** A message that has arrived at a node of the driver: the door, or the node of a connection. */
export type Arrival = Extract<Received<Connection>, { type: 0 }>;

/** What the driver asks about other processes of its domain. */
export interface DomainAccess {
  /** whether it is a host of this bus */
  isTrusted(process: number): boolean;
  /** the process's credentials, from the kernel; undefined when it is gone */
  credentialsOf(process: number): Credentials | undefined;
  /** why the policy does not allow it to connect; undefined: it may */
  refusal(credentials: Credentials): string | undefined;
  /** whether a role limits what it sees of the bus */
  isConfined(credentials: Credentials): boolean;
}

/** Maxima of a peer that only pays, and receives nothing. */
const NOTHING = { objects: 0, bytes: 0, descriptors: 0 };

const MALFORMED = 'the request is malformed';
const CONFINED =
  'a role limits what this process sees of the bus, which only the D-Bus socket supports';

/**
 * Admits peers of other processes, at the domain's root node. Native peers are admitted as themselves, hosts admit
 * their clients; each peer gets a node of the driver and one of the registry of its own.
 */
export class Door {
  readonly node: Node;
  /** the driver's own handle, of which the domain makes copies for its members */
  readonly handle: Handle;
  private readonly driver: Driver;
  private readonly domain: DomainAccess;
  private readonly message = new Message<never, never>();
  /** native peers that had not said Hello when they were last counted */
  private readonly unnamed = new Set<Connection>();

  constructor(driver: Driver, domain: DomainAccess) {
    this.driver = driver;
    this.domain = domain;
    const { node, handle } = driver.peer.createNode();
    this.node = node;
    this.handle = handle;
  }

  /** Processes a message that has arrived at the root node. */
  take(entry: Arrival): void {
    const { handles, origin } = entry;
    const message = readControl('root', entry, this.domain.isTrusted(origin));
    const [object, reply] = handles;
    if (message?.type === 'Sync') this.synchronise(entry);
    else if (message?.type === 'Accepting') {
      this.driver.mirrors.setAccepting(origin, message.isAccepting);
    } else if (object === undefined || reply === undefined) this.driver.peer.releaseAll(handles);
    else if (message?.type === 'Admit') this.admit(entry, message, object, reply);
    else if (message?.type === 'Mirror') this.addMirror(object, reply, origin);
    else if (isAdmission(entry)) this.refuse(object, reply, undefined, MALFORMED);
    else this.driver.peer.releaseAll(handles);
    entry.descriptors?.drop();
  }

  /** Releases the handles once everything that was due when they arrived has been sent. */
  private synchronise({ handles }: Arrival): void {
    const { peer, mirrors } = this.driver;
    mirrors.whenSettled(() => peer.releaseAll(handles.filter(({ live }) => live)));
  }

  private addMirror(object: Handle, reply: Handle, process: number): void {
    const { peer, registry, mirrors } = this.driver;
    const own = (handle: Handle): DirectoryHandle => peer.copyHandle(handle, registry.peer);
    mirrors.add(own(object), own(reply), process);
    peer.release(object, reply);
  }

  private admit(entry: Arrival, request: FieldsIn<'Admit'>, inbox: Handle, reply: Handle): void {
    const isTrusted = this.domain.isTrusted(entry.origin);
    const credentials = isTrusted
      ? credentialsFrom(request, entry.descriptors?.fds[0], this.driver)
      : this.domain.credentialsOf(entry.origin);
    if (credentials === undefined) return this.refuse(inbox, reply, credentials, MALFORMED);
    const refusal = isTrusted
      ? undefined
      : (this.domain.refusal(credentials) ?? this.tooMany(credentials));
    if (refusal !== undefined) return this.refuse(inbox, reply, credentials, refusal);
    if (!isTrusted && this.domain.isConfined(credentials)) {
      return this.refuse(inbox, reply, credentials, CONFINED, Control.Confined);
    }
    const connection = new Connection(credentials, () => this.figuresOf(connection));
    connection.process = entry.origin;
    connection.isNative = !isTrusted;
    if (!isTrusted) {
      connection.payer = this.payerOf(credentials);
      this.unnamed.add(connection);
    }
    connection.takesDescriptors = request.takesDescriptors;
    this.driver.registry.grants.classify(connection);
    this.letIn(connection, inbox, reply);
  }

  /**
   * Each connection takes room of the bus itself, and only those that have said Hello count for the limits of a user:
   * like clients of the socket, native peers may not be admitted without end before that.
   */
  private tooMany({ uid }: Credentials): string | undefined {
    const { maxIncompleteConnections } = this.driver.settings.limits;
    let count = 0;
    for (const connection of this.unnamed) {
      const isWaiting = !connection.isActive && this.driver.connections.has(connection);
      if (!isWaiting) this.unnamed.delete(connection);
      else if (connection.credentials.uid === uid) count++;
    }
    if (count < maxIncompleteConnections) return undefined;
    const limit = `max_incomplete_connections=${maxIncompleteConnections}`;
    return `${count} programs of uid ${uid ?? 'unknown'} have joined and not said Hello (${limit})`;
  }

  /** A native peer's broadcasts pass through the driver, and are charged on behalf of its user. */
  private payerOf({ uid = -1 }: Credentials): Peer {
    const { domain } = this.driver.peer;
    return domain.openPeer({ user: new ResourceUser(uid, NOTHING), sink: CLOSED_SINK });
  }

  private letIn(connection: Connection, inbox: Handle, reply: Handle): void {
    const { peer } = this.driver;
    const { driver, registry } = this.driver.admit(peer, inbox, connection);
    const answer = controlMessage(this.message, Control.Admitted, {});
    answer.addTransfer(driver);
    answer.addTransfer(registry);
    peer.send(reply, answer);
    peer.release(driver, registry);
    if (reply.live) peer.release(reply);
  }

  private refuse(
    inbox: Handle,
    reply: Handle,
    credentials: Credentials | undefined,
    reason: string,
    control: typeof Control.Refused | typeof Control.Confined = Control.Refused,
  ): void {
    const { peer, settings } = this.driver;
    if (credentials?.pidFd !== undefined) settings.closeDescriptor(credentials.pidFd);
    peer.send(reply, controlMessage(this.message, control, { reason }));
    peer.release(inbox);
    if (reply.live) peer.release(reply);
  }

  private figuresOf({ process, number }: Connection): ConnectionFigures {
    return this.driver.mirrors.figuresOf(process, number) ?? NO_FIGURES;
  }
}

/** Whether this is a request to be admitted that can be answered, though it may be malformed. */
function isAdmission({ bytes, handles, ownFrom }: Arrival): boolean {
  return bytes[0] === Control.Admit.code && handles.length === 2 && ownFrom === 0;
}

function credentialsFrom(
  { credentials }: FieldsIn<'Admit'>,
  pidFd: number | undefined,
  { settings }: Driver,
): Credentials | undefined {
  if (credentials === undefined) return undefined;
  return {
    ...credentials,
    pidFd: pidFd === undefined ? undefined : settings.duplicateDescriptor(pidFd),
  };
}
