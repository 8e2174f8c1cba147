import { DRIVER_NAME, type DriverClient } from '#bridge/client/driver-client.js';
import { DBusError, ErrorName } from '#bridge/client/errors.js';
import type { HeldHandle } from '#bridge/client/held-handle.js';
import type { IncomingCall } from '#bridge/client/incoming-call.js';
import { OwnNames } from '#bridge/client/own-names.js';
import { isBody, type Values } from '#bridge/wire/typed-body.js';
import { MessageType } from '#bridge/wire/types.js';
import { AwaitedAnswers } from './awaited-answers.js';
import type { BusMember } from './admission.js';
import { BroadcastOrder } from './broadcast-order.js';
import { busError, errorAnswer, expectsAnswer } from './failure.js';
import { Lane } from './lane.js';
import type { BusMessage } from './library.js';
import type { Body } from './bus-message-sender.js';
import { Owner, Owners } from './owners.js';
import { PendingMessage } from './pending-message.js';

/** Hands a received message to the program. */
type Deliver = (message: BusMessage) => void;

/** Routes messages: replies to callers, calls to the owners of names, all others to the bus. */
export class Router {
  private readonly member: BusMember;
  private readonly driver: DriverClient;
  private readonly owners: Owners;
  private readonly own: OwnNames;
  private readonly deliver: Deliver;
  private readonly awaited = new AwaitedAnswers();
  /** by destination; that of the bus itself is for broadcasts, too */
  private readonly lanes = new Map<string, Lane>();
  private readonly order: BroadcastOrder;
  private onIdle: (() => void) | undefined;
  /** the program has called disconnect() */
  private isLeaving = false;

  constructor(
    member: BusMember,
    driver: DriverClient,
    taker: ConstructorParameters<typeof OwnNames>[1],
    deliver: Deliver,
  ) {
    this.member = member;
    this.driver = driver;
    this.deliver = deliver;
    this.owners = new Owners(driver);
    this.own = new OwnNames(driver, taker);
    this.order = new BroadcastOrder(
      driver,
      (message, body) => this.sendHeld(message, body),
      () => this.noteIdle(),
    );
  }

  /** The program is going to get this call, and may answer it. */
  expectAnswer(call: IncomingCall): void {
    this.awaited.add(call);
  }

  /** The bus has announced that a name has another owner. */
  ownerChanged(name: string): void {
    this.owners.forget(name);
  }

  /** Calls `listener` when nothing waits to be sent, and the bridge has processed all that was sent. */
  whenSent(listener: () => void): void {
    this.isLeaving = true;
    this.onIdle = () => {
      this.onIdle = undefined;
      this.order.settled().then(listener, listener);
    };
    this.noteIdle();
  }

  /** Nothing can be sent any more. */
  close(error: Error): void {
    this.order.clear();
    for (const lane of Array.from(this.lanes.values())) lane.abandon(error);
  }

  /** Sends a message, or keeps it until that is possible. @throws Error */
  route(message: BusMessage, body: Body): void {
    if (!this.order.hold(message, body)) this.send(message, body);
  }

  private sendHeld(message: BusMessage, body: Body): void {
    try {
      this.send(message, body);
    } catch (error) {
      this.fail(message, error);
    }
  }

  private send(message: BusMessage, body: Body): void {
    const { type, destination = DRIVER_NAME, replySerial } = message;
    if (type === MessageType.MethodReturn || type === MessageType.Error) {
      const call = this.awaited.take(replySerial, message.destination);
      if (call !== undefined) this.member.calls.respond(call, message, body);
      return;
    }
    const lane = this.lanes.get(destination);
    if (lane !== undefined) return lane.add(message, body);
    const target = this.targetFor(destination);
    if (target === undefined) this.resolve(destination, this.openLane(destination, message, body));
    else if (!this.sendTo(target, message, body)) this.openLane(destination, message, body).flush();
  }

  /** Undefined when the bridge has to be asked. @throws DBusError when it is gone */
  private targetFor(destination: string): HeldHandle | undefined {
    if (destination !== DRIVER_NAME) return this.owners.find(destination);
    try {
      return this.driver.target;
    } catch (error) {
      throw busError(error);
    }
  }

  private openLane(destination: string, first: BusMessage, body: Body): Lane {
    const lane = new Lane({
      send: (message, kept) => {
        const target = this.targetFor(destination);
        if (target !== undefined) return this.sendTo(target, message, kept);
        throw new DBusError(ErrorName.NoReply, `the owner of ${destination} is gone`);
      },
      fail: (message, error) => this.fail(message, error),
      empty: () => {
        this.lanes.delete(destination);
        this.noteIdle();
      },
    });
    this.lanes.set(destination, lane);
    lane.add(first, body);
    return lane;
  }

  private noteIdle(): void {
    if (this.lanes.size === 0 && this.order.isEmpty) this.onIdle?.();
  }

  private resolve(destination: string, lane: Lane): void {
    this.owners.resolve(destination).then(
      () => lane.flush(),
      (error) => lane.abandon(error),
    );
  }

  /** False when there is no room. @throws Error */
  private sendTo(target: HeldHandle, message: BusMessage, bytes: Body): boolean {
    const { body = [] } = message;
    if (isNameRequest(message) && isBody(body, 'su')) {
      this.requestName(message, body);
      return true;
    }
    const pending = expectsAnswer(message) ? this.expect(message, target) : null;
    try {
      return this.member.calls.send(target, message, bytes, pending);
    } catch (error) {
      throw busError(error);
    }
  }

  private expect(message: BusMessage, target: HeldHandle): PendingMessage {
    const owner = target instanceof Owner ? target : undefined;
    const pending = new PendingMessage(this.member, message, owner);
    pending.settles(
      (answer) => {
        if (pending.claimedSender === undefined) this.deliver(answer);
        else this.deliverFrom(message.destination!, pending.claimedSender, answer);
      },
      (error) => this.fail(message, error),
    );
    return pending;
  }

  /** The service had to be started first: only now can the bus name its owner. */
  private deliverFrom(name: string, claim: string, answer: BusMessage): void {
    const owner = this.driver.call('GetNameOwner', 's', [name], ({ body }) => body[0]);
    owner.then(
      (sender) => this.deliver(sender === claim ? { ...answer, sender: claim } : answer),
      () => this.deliver(answer),
    );
  }

  /** The request has to carry a handle to the node at which messages to that name will arrive. */
  private requestName(message: BusMessage, [name, flags]: Values<'su'>): void {
    const wanted = {
      allowReplacement: (flags & 1) !== 0,
      replaceExisting: (flags & 2) !== 0,
      doNotQueue: (flags & 4) !== 0,
    };
    this.own.request(name, wanted).then(
      (result) =>
        this.deliver({
          type: MessageType.MethodReturn,
          serial: null,
          replySerial: message.serial!,
          sender: DRIVER_NAME,
          destination: this.member.calls.sender,
          signature: 'u',
          body: [result],
        }),
      (error) => this.fail(message, error),
    );
  }

  /** A program that has disconnected gets no error replies made by this process: with a socket it would get none. */
  private fail(message: BusMessage, error: unknown): void {
    if (expectsAnswer(message) && !this.isLeaving) this.deliver(errorAnswer(message, error));
  }
}

function isNameRequest({ type, destination, member, signature }: BusMessage): boolean {
  return (
    destination === DRIVER_NAME &&
    member === 'RequestName' &&
    type === MessageType.MethodCall &&
    signature === 'su'
  );
}
