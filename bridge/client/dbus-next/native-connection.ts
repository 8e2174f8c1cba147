import { EventEmitter } from 'node:events';
import { debuglog } from 'node:util';
import { canUseSocket } from '#bridge/client/admission.js';
import { DRIVER_NAME } from '#bridge/client/driver-client.js';
import { ClientError } from '#bridge/client/errors.js';
import { Inbox } from '#bridge/client/inbox.js';
import type { CallTaker, IncomingCall } from '#bridge/client/incoming-call.js';
import type { BusChoice } from '#bridge/client/reach.js';
import type { Signal, SignalTaker } from '#bridge/client/signal.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import { enter, reachAuthority, type BusMember } from './admission.js';
import { busError, errorAnswer, expectsAnswer } from './failure.js';
import { library, type BusConnection, type BusMessage } from './library.js';
import { keep, type Body } from './bus-message-sender.js';
import { Router } from './router.js';

/** `NODE_DEBUG=bus1-bridge` shows what would otherwise go unnoticed, such as dropped messages. */
const debug = debuglog('bus1-bridge');

/** Signals by which the bus announces that the name in their first argument has changed its owner. */
const OWNERSHIP = ['NameOwnerChanged', 'NameAcquired', 'NameLost'];

/**
 * The connection of dbus-next's MessageBus, with handles in place of a socket. A call goes straight to the process
 * that owns the name; only messages for the bus itself go to the bridge.
 */
export class NativeConnection
  extends EventEmitter
  implements BusConnection, CallTaker, SignalTaker
{
  /** the part of a socket that dbus-next uses */
  readonly stream = { writable: true, end: (): void => this.end() };
  private member: BusMember | undefined;
  private router: Router | undefined;
  /** the Hello call, which MessageBus sends first; all other messages wait for the reply */
  private hello: BusMessage | undefined;
  private isGreeted = false;
  private early: { readonly message: BusMessage; readonly body: Body }[] = [];
  /** why nothing can be sent (any more) */
  private failure: Error | undefined;
  /** the program has closed it, and waits for nothing more */
  private isOver = false;

  /** Begins to join a bus; success and failure are events. */
  constructor(choice: BusChoice, takesDescriptors: boolean) {
    super();
    try {
      const member = this.reach(choice, takesDescriptors);
      this.open(member, takesDescriptors)
        .catch((error: unknown) => this.openSocket(error, choice, takesDescriptors))
        .catch((error: unknown) => this.fail(error));
    } catch (error) {
      this.fail(error);
    }
  }

  /** Sends a message. @throws Error for one that cannot be sent */
  message(message: BusMessage): void {
    this.hello ??= message;
    if (message === this.hello) return;
    if (!this.stream.writable) return this.refuse(message);
    const body = this.member!.calls.encode(message);
    try {
      if (this.isGreeted) this.router!.route(message, body);
      else this.early.push({ message, body: keep(body) });
    } finally {
      body.descriptors?.drop();
    }
  }

  take(call: IncomingCall): void {
    const { type, flags, path, interface: iface, member, destination, signature } = call.header;
    if ((flags & MessageFlag.NoReplyExpected) === 0) this.router?.expectAnswer(call);
    this.deliver({
      type,
      flags,
      serial: call.serial,
      path,
      interface: iface,
      member,
      destination,
      sender: call.sender,
      signature: signature.text,
      body: call.body,
    });
  }

  takeSignal(signal: Signal): void {
    const { path, interface: iface, member, destination, sender, signature, body } = signal;
    const type = MessageType.Signal;
    if (sender === DRIVER_NAME && OWNERSHIP.includes(member)) {
      this.router?.ownerChanged(String(body[0]));
    }
    const fields = { type, path, interface: iface, member, destination, sender, signature, body };
    this.deliver({ ...fields, serial: null, flags: MessageFlag.NoReplyExpected });
  }

  private reach(choice: BusChoice, takesDescriptors: boolean): BusMember {
    const member = reachAuthority(choice, (text) => debug('%s', text));
    this.member = member;
    member.takesDescriptors = takesDescriptors;
    member.hold();
    return member;
  }

  /** Uses the socket of a bus whose domain does not admit this process. @throws `error` unless a socket is allowed */
  private openSocket(error: unknown, choice: BusChoice, takesDescriptors: boolean): Promise<void> {
    if (!canUseSocket(error, choice)) throw error;
    this.member?.close('this process could not join');
    return this.open(
      this.reach({ ...choice, transport: 'socket' }, takesDescriptors),
      takesDescriptors,
    );
  }

  private async open(member: BusMember, takesDescriptors: boolean): Promise<void> {
    const { node, handle } = member.peer.createNode();
    node.context = new Inbox(member, this, (reason) => this.disconnected(reason));
    const driver = await enter(member, handle, takesDescriptors);
    this.router = new Router(member, driver, this, this.deliver);
    // A process that still has a handle to this one keeps it alive; as with a socket, the bus alone no longer does.
    driver.onGone(() => member.unhold());
    this.router.route(this.hello!, member.calls.encode(this.hello!));
  }

  private readonly deliver = (message: BusMessage): void => {
    if (this.isOver) return;
    if (!this.isGreeted && message.replySerial === this.hello?.serial) this.greeted(message);
    this.emit('message', new library.Message(message));
  };

  private greeted({ body = [] }: BusMessage): void {
    this.isGreeted = true;
    this.member!.calls.sender = String(body[0]);
    for (const { message, body: kept } of this.early.splice(0)) {
      try {
        this.router!.route(message, kept);
      } catch (error) {
        if (expectsAnswer(message)) queueMicrotask(() => this.deliver(errorAnswer(message, error)));
      } finally {
        kept.descriptors?.drop();
      }
    }
    if (!this.stream.writable) this.closeWhenSent();
  }

  private refuse({ type }: BusMessage): void {
    // A late reply is dropped: its caller has already been notified that this process is gone.
    if (type === MessageType.MethodReturn || type === MessageType.Error) return;
    throw this.failure ?? new Error('the bus was disconnected: nothing can be sent any more');
  }

  /** The program disconnects; what it has sent before still arrives. */
  private end(): void {
    if (!this.stream.writable) return;
    this.stream.writable = false;
    if (this.isGreeted) this.closeWhenSent();
  }

  private closeWhenSent(): void {
    this.router!.whenSent(() => {
      this.isOver = true;
      this.member!.close('disconnect() was called');
      process.nextTick(() => this.emit('end'));
    });
  }

  /** The bus has disconnected this process. */
  private disconnected(reason: string): void {
    const failure = busError(new ClientError('Disconnected', reason));
    this.failure = failure;
    this.stream.writable = false;
    this.router?.close(failure);
    this.member!.close(reason);
    process.nextTick(() => this.emit('end'));
  }

  /** This process could not join the bus. */
  private fail(error: unknown): void {
    const failure = busError(error);
    this.failure = failure;
    this.stream.writable = false;
    this.member?.close('this process could not join');
    for (const { message, body } of this.early.splice(0)) {
      body.descriptors?.drop();
      if (expectsAnswer(message)) this.deliver(errorAnswer(message, failure));
    }
    process.nextTick(() => this.emit('error', failure));
  }
}
