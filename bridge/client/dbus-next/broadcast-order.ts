import { DRIVER_NAME, type DriverClient } from '#bridge/client/driver-client.js';
import { MessageType } from '#bridge/wire/types.js';
import type { BusMessage } from './library.js';
import { keep, type Body } from './bus-message-sender.js';

/** Messages wait no longer: by then the bridge has passed a broadcast on, or it is stopped. */
const WAIT_MAX_MS = 100;

/**
 * Keeps the order that programs know from a bus: a message sent after a broadcast arrives after it, such as the reply
 * of a method that has emitted a signal. A broadcast goes by way of the bridge, other messages do not: so these wait
 * until the bridge has replied to a call that was sent after the broadcast.
 */
export class BroadcastOrder {
  private readonly driver: DriverClient;
  private readonly send: (message: BusMessage, body: Body) => void;
  private readonly onEmpty: () => void;
  private held: { readonly message: BusMessage; readonly body: Body }[] = [];
  /** time of the last broadcast, until the bridge has been called */
  private broadcastMs: number | undefined;
  private isAsking = false;
  private isBridgeLate = false;

  /** `send` does not throw. */
  constructor(
    driver: DriverClient,
    send: (message: BusMessage, body: Body) => void,
    onEmpty: () => void,
  ) {
    this.driver = driver;
    this.send = send;
    this.onEmpty = onEmpty;
  }

  get isEmpty(): boolean {
    return this.held.length === 0;
  }

  /** True when the message has to wait: it is sent later. */
  hold(message: BusMessage, body: Body): boolean {
    if (this.isEmpty && !this.mustWait(message)) {
      this.note(message);
      return false;
    }
    this.held.push({ message, body: keep(body) });
    if (!this.isAsking) this.ask();
    return true;
  }

  /** Resolves when the bridge has processed all that was sent to it, or after `WAIT_MAX_MS`. */
  async settled(): Promise<void> {
    const overdue = new Promise<void>((resolve) => setTimeout(resolve, WAIT_MAX_MS).unref());
    await Promise.race([overdue, this.driver.call('GetId', '', [], () => {})]);
  }

  /** Drops the held messages: nothing can be sent any more. */
  clear(): void {
    for (const { body } of this.held.splice(0)) body.descriptors?.drop();
  }

  private note({ type, destination }: BusMessage): void {
    if (type === MessageType.Signal && destination === undefined) {
      this.broadcastMs = performance.now();
    }
  }

  private mustWait({ type, destination }: BusMessage): boolean {
    if (this.broadcastMs === undefined || this.isBridgeLate) return false;
    const isBroadcast = type === MessageType.Signal && destination === undefined;
    const isForBus = isBroadcast || destination === DRIVER_NAME;
    return !isForBus && performance.now() - this.broadcastMs < WAIT_MAX_MS;
  }

  private ask(): void {
    this.broadcastMs = undefined;
    this.isAsking = true;
    let isOver = false;
    const proceed = (): void => {
      if (isOver) return;
      isOver = true;
      this.isAsking = false;
      this.release();
    };
    const timer = setTimeout(() => {
      this.isBridgeLate = true;
      proceed();
    }, WAIT_MAX_MS);
    const answered = (): void => {
      clearTimeout(timer);
      this.isBridgeLate = false;
      proceed();
    };
    this.driver.call('GetId', '', [], () => {}).then(answered, answered);
  }

  private release(): void {
    const messages = this.held;
    for (const [i, { message, body }] of messages.entries()) {
      if (this.mustWait(message)) {
        this.held = messages.slice(i);
        return this.ask();
      }
      this.note(message);
      this.send(message, body);
      body.descriptors?.drop();
    }
    this.held = [];
    this.onEmpty();
  }
}
