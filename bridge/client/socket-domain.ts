import {
  DescriptorSet,
  Message,
  NewNode,
  SendStatus,
  type Handle,
  type Node,
  type Peer,
  type Sink,
  type Trace,
} from '#core/index.js';
import { closeReceived, peerCredentials } from '#core/linux/index.js';
import {
  arrivalOf,
  Control,
  encode,
  readControl,
  Resolution,
} from '#bridge/registry/control-message.js';
import { SocketClient } from '#bridge/socket/client.js';
import type { BusSocket } from '#bridge/socket/connect.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { decodeMessage, encodeMessage, type MessageFields } from '#bridge/wire/message.js';
import { EndianMark, MessageFlag, MessageType, wantsReply } from '#bridge/wire/types.js';
import { isBody } from '#bridge/wire/typed-body.js';
import { Serials } from '#bridge/wire/serials.js';
import { DRIVER_NAME, DRIVER_PATH } from './driver-client.js';
import { ErrorName } from './errors.js';
import { SocketOwnNames } from './socket-own-names.js';
import {
  patchSerial,
  Registry,
  requestedName,
  Root,
  textAt,
  type Caller,
  type Context,
  type HandleContext,
  type Outgoing,
} from './socket-messages.js';
import { ownerRule } from './socket-names.js';
import type { SenderProcess, Transport, TransportOptions } from './transport.js';
import { NotedHandles } from './noted-handles.js';

/** The process number under which messages of the bus arrive. */
const BUS_PROCESS = 1;
/** From this size of the bus's unread input on, senders are refused as over quota. */
const WAITING_MAX_BYTES = 1 << 27;
const DROPPED = 'the service has dropped the call';

/**
 * A bus behind a socket, as a peer of this process's own domain: what the rest of the library sends to the driver, the
 * registry and names arrives at nodes of this peer, which writes it to the socket, and replies, calls and signals from
 * there are sent on handles, as a bridge would send them. So there is one client, and two ways to a bus.
 */
export class SocketDomain implements Transport, Sink<Context, HandleContext> {
  private readonly options: TransportOptions;
  private readonly peer: Peer<Context, HandleContext>;
  private readonly client: SocketClient;
  private readonly message = new Message<never, Context>();
  private readonly identity: SenderProcess;
  private readonly root: Handle;
  /** where calls and signals from the bus are sent to */
  private inbox: Handle | undefined;
  /** reply handles of calls that were sent, by serial */
  private readonly calls = new Map<number, Handle>();
  /** by name, the handle that keeps its node */
  private readonly names = new Map<string, Handle>();
  private readonly own = new SocketOwnNames((handles) => this.release(handles));
  /** callbacks for replies to our own calls to the bus, by serial */
  private readonly questions = new Map<number, (body: readonly unknown[]) => void>();
  /** callers that wait for replies, with the nodes at which the program's replies to them arrive */
  private readonly callers = new Map<string, Set<Node>>();
  private readonly watched = new Set<string>();
  /** work that must not be done inside the transaction that has caused it */
  private tasks: (() => void)[] = [];
  /** descriptors that the kernel may not have copies of yet */
  private readonly unsent: DescriptorSet[] = [];
  private readonly serials = new Serials();
  /** something was sent in this turn */
  private hasSent = false;
  /** why the connection ended, until the program has been notified */
  private endReason: string | undefined;
  private isClosing = false;

  constructor(socket: BusSocket, options: TransportOptions) {
    this.options = options;
    this.peer = options.local.openPeer({ user: options.user, sink: this });
    this.root = this.openNode(Root);
    const { pid, uid } = peerCredentials(socket.fd);
    this.identity = { pid, uid, isTrusted: true };
    this.client = new SocketClient(socket, {
      ready: () => (this.peer.takesDescriptors = this.client.hasUnixFds),
      message: (header, fds) => this.receive(header, fds),
      closed: (reason) => this.ended(reason),
    });
  }

  get fd(): number {
    return this.client.fd;
  }

  get isReady(): boolean {
    return this.client.isReady;
  }

  get timeoutMs(): number {
    return this.client.live ? this.client.timeoutMs : -1;
  }

  copyRoot<OfHolder>(to: Peer<unknown, OfHolder>): Handle<OfHolder> {
    return this.peer.copyHandle(this.root, to);
  }

  awaitReady(timeoutMs: number): boolean {
    const deadline = performance.now() + timeoutMs;
    while (this.client.live && !this.isReady && performance.now() < deadline) {
      this.client.wait(deadline - performance.now());
    }
    return this.isReady;
  }

  dispatch(): number {
    const done = this.runTasks();
    return done + (this.client.live ? this.client.dispatch() : 0) + this.tellEnd();
  }

  get hasArrived(): boolean {
    return this.tasks.length > 0;
  }

  catchUp(): number {
    return this.dispatch();
  }

  beforeSleep(): boolean {
    this.flush();
    return this.tasks.length > 0 || this.endReason !== undefined;
  }

  wait(timeoutMs: number): number {
    const done = this.runTasks();
    if (done > 0 || !this.client.live) return done + this.tellEnd();
    return this.client.wait(timeoutMs) + this.runTasks() + this.tellEnd();
  }

  flush(): void {
    this.hasSent = false;
    if (this.client.live) this.client.flush();
    if (this.client.waitingBytes < WAITING_MAX_BYTES) this.peer.isFull = false;
    const isSent = this.client.waitingBytes === 0 || !this.client.live;
    if (isSent) for (const set of this.unsent.splice(0)) set.drop();
  }

  identityOf(process: number): SenderProcess | undefined {
    return process === BUS_PROCESS ? this.identity : undefined;
  }

  /** The bus announces the end of a connection to those who subscribed: one rule for each caller. */
  watchCaller(uniqueName: string): void {
    if (this.watched.has(uniqueName) || !this.callers.has(uniqueName)) return;
    this.watched.add(uniqueName);
    this.tell('AddMatch', [ownerRule(uniqueName)]);
    // It may have left before the bus had the rule.
    const serial = this.tell('NameHasOwner', [uniqueName], 0);
    this.questions.set(serial, (body) => body[0] === false && this.callerLeft(uniqueName));
  }

  close(): void {
    this.isClosing = true;
    this.runTasks();
    this.client.close();
    for (const set of this.unsent.splice(0)) set.drop();
    this.peer.close();
  }

  // What the program sends, inside a transaction.

  accept(node: Node<Context>, message: Outgoing, trace: Trace): void {
    const descriptors = message.descriptors?.count ?? 0;
    trace.discharge(1, message.lengthBytes, descriptors);
    const context = node.context!; // each node gets one as it is made
    switch (context.kind) {
      case 'root':
        return this.admit(message);
      case 'registry':
        return this.resolve(message);
      case 'caller':
        this.forgetCaller(context, node);
        return this.forward(message, false, context);
      case 'destination':
        return this.forward(message, context.name === DRIVER_NAME, undefined);
    }
  }

  nodeReleased(handle: Handle<HandleContext>): void {
    if (handle === this.inbox) this.inbox = undefined;
    if (typeof handle.context === 'number') this.calls.delete(handle.context);
    else if (typeof handle.context === 'string') this.own.ended(handle.context);
  }

  /** No handle is left: a call was dropped, or a name is no longer needed. */
  handleReleased(node: Node<Context>): void {
    const { context } = node;
    if (context?.kind !== 'caller') return;
    this.forgetCaller(context, node);
    this.later(() => {
      /* When this service leaves, the bus itself answers the calls. */
      if (!this.isClosing) this.sendError(context, ErrorName.NoReply, DROPPED);
    });
  }

  private admit(message: Outgoing): void {
    const [inbox, replyTo] = message.received.slice(0, message.receivedCount);
    if (inbox === undefined || replyTo === undefined) return this.drop(message);
    this.inbox = inbox;
    this.later(() => {
      const registry = this.openNode(Registry);
      this.message.clear().addTransfer(this.destination(DRIVER_NAME));
      this.message.addTransfer(registry);
      this.answer(replyTo, encode(Control.Admitted, {}));
      this.peer.release(registry);
    });
  }

  /** Every name can be sent to: the bus answers if it has no owner. */
  private resolve(message: Outgoing): void {
    const question = readControl('registry', arrivalOf(message), false);
    const replyTo = message.lastReceived;
    if (question === undefined || replyTo === null) return this.drop(message);
    this.later(() => {
      this.message.clear().addTransfer(this.destination(question.name));
      this.answer(replyTo, encode(Control.Resolved, { resolution: Resolution.Owned, owner: -1 }));
    });
  }

  private answer(replyTo: Handle, bytes: Uint8Array): void {
    const { message } = this;
    message.addPiece(bytes, 0, bytes.length);
    message.origin = BUS_PROCESS;
    if (replyTo.live) this.peer.send(replyTo, message);
  }

  private destination(name: string): Handle {
    let handle = this.names.get(name);
    if (handle === undefined) {
      handle = this.openNode({ kind: 'destination', name });
      this.names.set(name, handle);
    }
    return handle;
  }

  private openNode(context: Context): Handle {
    const { node, handle } = this.peer.createNode();
    node.context = context;
    return handle;
  }

  /** Writes a D-Bus message to the socket. */
  private forward(message: Outgoing, isForBus: boolean, caller: Caller | undefined): void {
    const first = message.firstByte;
    if (first !== EndianMark.Little) return this.drop(message); // control messages of a bridge
    const wantsReply =
      message.byteAt(1) === MessageType.MethodCall &&
      (message.byteAt(2) & MessageFlag.NoReplyExpected) === 0;
    const replyTo = wantsReply ? message.lastReceived : null;
    const { receivedCount } = message;
    const others = message.received.slice(0, replyTo === null ? receivedCount : receivedCount - 1);
    const [named] = others;
    const request = isForBus && others.length === 1 ? requestedName(message) : undefined;
    if (others.length > 0 && request === undefined) {
      return this.refuse(message, others, replyTo, caller);
    }
    const serial = this.write(message);
    if (replyTo !== null) {
      replyTo.context = serial;
      this.calls.set(serial, replyTo);
    }
    if (request !== undefined && named !== undefined) this.own.asked(serial, request, named);
    else if (isForBus) this.own.noteRelease(message, serial);
  }

  private write(message: Outgoing): number {
    const serial = this.serials.next();
    const set = message.descriptors?.retain() ?? null;
    const bytes = this.client.reserve(message.lengthBytes, set?.fds);
    message.copyTo(bytes);
    patchSerial(bytes, serial);
    if (set !== null) this.unsent.push(set);
    if (this.client.waitingBytes >= WAITING_MAX_BYTES) this.peer.isFull = true;
    this.options.schedule();
    // The first message of a turn goes at once, and those that follow share one system call.
    if (!this.hasSent) this.client.flush();
    this.hasSent = true;
    return serial;
  }

  /** Capabilities cannot leave a process by a socket. */
  private refuse(
    message: Outgoing,
    others: readonly Handle[],
    replyTo: Handle | null,
    caller: Caller | undefined,
  ): void {
    const why =
      'a capability cannot be sent over a socket, only between members of a domain; ' +
      'join a bus that has a domain';
    const { member } = decodeMessage(message.copyBytes());
    const noted = new NotedHandles(others);
    this.later(() => {
      noted.releaseFrom(this.peer);
      if (caller !== undefined) this.sendError(caller, ErrorName.NotSupported, why);
      else if (replyTo !== null) this.fail(replyTo, ErrorName.NotSupported, why);
      else this.options.onDiagnostic(`${member ?? 'a message'} was dropped: ${why}`);
    });
  }

  private drop(message: Outgoing): void {
    const noted = new NotedHandles(message.received.slice(0, message.receivedCount));
    this.later(() => noted.releaseFrom(this.peer));
  }

  private release(handles: readonly Handle[]): void {
    const live = handles.filter((handle) => handle.live && handle.owner === this.peer);
    if (live.length > 0) this.peer.releaseAll(live);
  }

  private later(task: () => void): void {
    this.tasks.push(task);
    this.options.schedule();
  }

  private runTasks(): number {
    const { tasks } = this;
    if (tasks.length === 0) return 0;
    this.tasks = [];
    for (const task of tasks) task();
    return tasks.length;
  }

  /** A message of our own to the bus; by default without waiting for an answer. */
  private tell(
    member: string,
    body: readonly unknown[],
    flags: number = MessageFlag.NoReplyExpected,
  ): number {
    return this.post(
      {
        type: MessageType.MethodCall,
        flags,
        destination: DRIVER_NAME,
        path: DRIVER_PATH,
        interface: DRIVER_NAME,
        member,
        signature: 's',
      },
      body,
    );
  }

  private sendError({ name, serial: replySerial }: Caller, errorName: string, text: string): void {
    const { Error: type } = MessageType;
    const flags = MessageFlag.NoReplyExpected;
    this.post({ type, flags, destination: name, replySerial, errorName, signature: 's' }, [text]);
  }

  private post(fields: Omit<MessageFields, 'serial'>, body: readonly unknown[]): number {
    const serial = this.serials.next();
    if (!this.client.live) return serial;
    const bytes = encodeMessage({ ...fields, serial }, body);
    this.client.reserve(bytes.length).set(bytes);
    this.options.schedule();
    return serial;
  }

  /** Answers a call of the program in the name of the bus. */
  private fail(replyTo: Handle, errorName: string, text: string): void {
    const { Error: type } = MessageType;
    const flags = MessageFlag.NoReplyExpected;
    const fields = { type, flags, sender: DRIVER_NAME, replySerial: 1, errorName, signature: 's' };
    const bytes = encodeMessage({ ...fields, serial: this.serials.next() }, [text]);
    this.message.clear();
    this.answer(replyTo, bytes);
  }

  // What the bus sends, outside of transactions.

  private receive(header: MessageHeader, fds: readonly number[]): boolean {
    const { message } = this;
    message.clear().addPiece(header.bytes, header.start, header.end - header.start);
    message.origin = BUS_PROCESS;
    const set = fds.length === 0 ? null : new DescriptorSet(fds, closeReceived);
    message.descriptors = set;
    const isReply = header.replySerial !== 0;
    const isTaken = isReply ? this.receiveReply(header) : this.receiveOther(header);
    // What was not taken comes again, with its descriptors.
    if (isTaken) set?.drop();
    return isTaken;
  }

  private receiveReply(header: MessageHeader): boolean {
    const { replySerial, type } = header;
    const handle = this.calls.get(replySerial);
    const isAnswer = type === MessageType.MethodReturn || type === MessageType.Error;
    if (!isAnswer) return true;
    const question = this.questions.get(replySerial);
    if (question !== undefined) {
      this.questions.delete(replySerial);
      question(decodeMessage(header.bytes.slice(header.start, header.end)).body);
      return true;
    }
    if (handle !== undefined && this.peer.send(handle, this.message) === SendStatus.OverQuota) {
      return false;
    }
    this.calls.delete(replySerial);
    this.own.answered(header);
    return true;
  }

  private receiveOther(header: MessageHeader): boolean {
    const { message, inbox, peer } = this;
    if (inbox === undefined) return true;
    const { type, serial } = header;
    const caller: Caller | undefined = wantsReply(header)
      ? { kind: 'caller', name: textAt(header, header.senderOffset, header.senderLength), serial }
      : undefined;
    if (caller !== undefined) {
      message.newNode = NewNode.OneShot;
      message.newNodeContext = caller;
    }
    const status = peer.send(inbox, message);
    if (status === SendStatus.OverQuota) return false;
    if (caller !== undefined && message.createdNode?.live) {
      this.expectReply(caller, message.createdNode);
    }
    if (type === MessageType.Signal) this.noteOwner(header);
    return true;
  }

  private expectReply({ name }: Caller, node: Node): void {
    const waiting = this.callers.get(name);
    if (waiting === undefined) this.callers.set(name, new Set([node]));
    else waiting.add(node);
  }

  private forgetCaller({ name }: Caller, node: Node): void {
    const waiting = this.callers.get(name);
    waiting?.delete(node);
    if (waiting?.size !== 0) return;
    this.callers.delete(name);
    if (!this.watched.delete(name)) return;
    this.later(() => this.tell('RemoveMatch', [ownerRule(name)]));
  }

  /** Handles to a name end with its owner, and the replies to a caller with the caller. */
  private noteOwner(header: MessageHeader): void {
    if (textAt(header, header.memberOffset, header.memberLength) !== 'NameOwnerChanged') return;
    if (textAt(header, header.senderOffset, header.senderLength) !== DRIVER_NAME) return;
    const { body } = decodeMessage(header.bytes.slice(header.start, header.end));
    if (!isBody(body, 'sss')) return;
    const [name, before, now] = body;
    const handle = before === '' ? undefined : this.names.get(name);
    if (handle !== undefined) {
      this.names.delete(name);
      this.peer.release(handle.node);
    }
    if (now === '') this.callerLeft(name);
  }

  private callerLeft(name: string): void {
    const waiting = [...(this.callers.get(name) ?? [])];
    this.callers.delete(name);
    if (this.watched.delete(name)) this.tell('RemoveMatch', [ownerRule(name)]);
    if (waiting.length > 0) this.peer.releaseAll(waiting);
  }

  private ended(reason: string): void {
    this.endReason = reason;
    this.options.schedule();
  }

  /** The bus has hung up: the program is notified after everything that was received before. */
  private tellEnd(): number {
    const reason = this.endReason;
    if (reason === undefined) return 0;
    const { inbox, message } = this;
    this.endReason = undefined;
    if (inbox === undefined) {
      this.options.onDiagnostic(reason);
      return 1;
    }
    const bytes = encode(Control.Disconnect, { reason });
    message.clear().addPiece(bytes, 0, bytes.length);
    message.origin = BUS_PROCESS;
    if (this.peer.send(inbox, message) === SendStatus.OverQuota) this.endReason = reason;
    return 1;
  }
}
