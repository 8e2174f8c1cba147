import {
  CLOSED_SINK,
  Message,
  ResourceUser,
  type Handle,
  type Node,
  type Peer,
} from '#core/index.js';
import {
  Connection,
  NO_FIGURES,
  type ConnectionFigures,
  type Credentials,
} from '#bridge/registry/connection.js';
import { ControlCode, controlMessage, parseControl } from '#bridge/registry/control-message.js';
import {
  fieldsOf,
  numberOrNone,
  numbersOrNone,
  textOrNone,
  textsOrNone,
  type Fields,
} from '#bridge/wire/fields.js';
import type { ClientOrigin } from '#policy/index.js';

import type { Arrival } from './admission.js';
import type { DomainAccess } from './domain-access.js';
import type { Driver } from './driver.js';

/** A host's description of a client, as JSON; a descriptor that comes with it is the pidfd of the client's process. */
export interface AdmissionRequest {
  readonly takesDescriptors: boolean;
  readonly credentials?: Omit<Credentials, 'pidFd' | 'securityLabel'> & {
    readonly securityLabel?: string | undefined;
  };
}

/** Maxima of a peer that only pays, and receives nothing. */
const NOTHING = { objects: 0, bytes: 0, descriptors: 0 };

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

  constructor(driver: Driver, domain: DomainAccess) {
    this.driver = driver;
    this.domain = domain;
    const { node, handle } = driver.peer.createNode();
    this.node = node;
    this.handle = handle;
  }

  /** Processes a message that has arrived at the root node. */
  take(entry: Arrival): void {
    const { code, text } = parseControl(entry.bytes);
    const [object, reply] = entry.handles;
    const isComplete = entry.handles.length === 2;
    const isOwn = entry.ownFrom === 0;
    if (isComplete && isOwn && code === ControlCode.Admit) this.admit(entry, text, object, reply);
    else if (code === ControlCode.Sync) this.synchronise(entry);
    else if (code === ControlCode.Accepting && this.domain.isTrusted(entry.origin)) {
      this.driver.mirrors.setAccepting(entry.origin, text === '1');
      this.driver.peer.release(...entry.handles);
    } else if (isComplete && code === ControlCode.Mirror && this.domain.isTrusted(entry.origin)) {
      this.addMirror(object, reply, entry.origin);
    } else this.driver.peer.release(...entry.handles);
    entry.descriptors?.drop();
  }

  /** Releases the handles once everything that was due when they arrived has been sent. */
  private synchronise({ handles, origin }: Arrival): void {
    const { peer, mirrors } = this.driver;
    const letGo = (): void => peer.release(...handles.filter(({ live }) => live));
    if (this.domain.isTrusted(origin)) mirrors.whenSettled(letGo);
    else letGo();
  }

  private addMirror(object: Handle, reply: Handle, process: number): void {
    const { peer, registry, mirrors } = this.driver;
    const own = [object, reply].map((handle) => peer.copyHandle(handle, registry.peer));
    mirrors.add(own[0], own[1], process);
    peer.release(object, reply);
  }

  private admit(entry: Arrival, text: string, inbox: Handle, reply: Handle): void {
    const request = parseRequest(text);
    const isTrusted = this.domain.isTrusted(entry.origin);
    const credentials =
      isTrusted && request !== undefined
        ? credentialsFrom(request, entry.descriptors?.fds[0], this.driver)
        : this.domain.credentialsOf(entry.origin);
    if (request === undefined || credentials === undefined) {
      return this.refuse(inbox, reply, credentials, 'the request is malformed');
    }
    const refusal = isTrusted ? undefined : this.domain.refusal(credentials);
    if (refusal !== undefined) return this.refuse(inbox, reply, credentials, refusal);
    if (!isTrusted && this.domain.isConfined(credentials)) {
      return this.refuse(inbox, reply, credentials, CONFINED, ControlCode.Confined);
    }
    const connection = new Connection(credentials, () => this.figuresOf(connection));
    connection.process = entry.origin;
    connection.isNative = !isTrusted;
    if (!isTrusted) connection.payer = this.payerOf(credentials);
    connection.takesDescriptors = request.takesDescriptors;
    this.driver.registry.grants.classify(connection);
    this.letIn(connection, inbox, reply);
  }

  /** A native peer's broadcasts pass through the driver, and are charged on behalf of its user. */
  private payerOf({ uid = -1 }: Credentials): Peer {
    const { domain } = this.driver.peer;
    return domain.openPeer({ user: new ResourceUser(uid, NOTHING), sink: CLOSED_SINK });
  }

  private letIn(connection: Connection, inbox: Handle, reply: Handle): void {
    const { peer } = this.driver;
    const { driver, registry } = this.driver.admit(peer, inbox, connection);
    const answer = controlMessage(this.message, ControlCode.Admitted);
    answer.addTransfer(driver);
    answer.addTransfer(registry);
    peer.send(reply, answer);
    peer.release(driver, registry);
  }

  private refuse(
    inbox: Handle,
    reply: Handle,
    credentials: Credentials | undefined,
    reason: string,
    code: ControlCode = ControlCode.Refused,
  ): void {
    const { peer, settings } = this.driver;
    if (credentials?.pidFd !== undefined) settings.closeDescriptor(credentials.pidFd);
    peer.send(reply, controlMessage(this.message, code, reason));
    peer.release(inbox);
  }

  private figuresOf({ process, number }: Connection): ConnectionFigures {
    return this.driver.mirrors.figuresOf(process, number) ?? NO_FIGURES;
  }
}

function parseRequest(text: string): AdmissionRequest | undefined {
  try {
    const { takesDescriptors, credentials } = fieldsOf(JSON.parse(text));
    return {
      takesDescriptors: takesDescriptors === true,
      ...(credentials !== undefined && { credentials: parseCredentials(fieldsOf(credentials)) }),
    };
  } catch {
    return undefined;
  }
}

function parseCredentials(fields: Fields): NonNullable<AdmissionRequest['credentials']> {
  const { uid, gid, pid, groups, atConsole, origin, securityLabel } = fields;
  return {
    uid: numberOrNone(uid),
    gid: numberOrNone(gid),
    pid: numberOrNone(pid),
    groups: numbersOrNone(groups),
    atConsole: atConsole === true,
    origin: origin === undefined ? undefined : parseOrigin(fieldsOf(origin)),
    securityLabel: textOrNone(securityLabel),
  };
}

function parseOrigin(fields: Fields): Required<ClientOrigin> {
  const { executables, isProcessUnknown, cgroup, label, listener } = fields;
  return {
    executables: textsOrNone(executables),
    isProcessUnknown: isProcessUnknown === true,
    cgroup: textOrNone(cgroup),
    label: textOrNone(label),
    listener: textOrNone(listener),
  };
}

function credentialsFrom(
  { credentials }: AdmissionRequest,
  pidFd: number | undefined,
  { settings }: Driver,
): Credentials | undefined {
  if (credentials === undefined) return undefined;
  const label = credentials.securityLabel;
  return {
    uid: credentials.uid,
    gid: credentials.gid,
    pid: credentials.pid,
    groups: credentials.groups,
    atConsole: credentials.atConsole,
    origin: credentials.origin,
    pidFd: pidFd === undefined ? undefined : settings.duplicateDescriptor(pidFd),
    securityLabel: label === undefined ? undefined : Buffer.from(label, 'latin1'),
  };
}
