// A name that is being moved, step by step: clients do what the test's lines say.
import type { DecodedMessage } from '#bridge/wire/message.js';
import { MessageFlag } from '#bridge/wire/types.js';
import { ErrorReply, type RawClient } from '../support/raw-client.js';
import { DRIVER, INTERFACE, isCall } from './raw-pair.js';

const UPLINK = { destination: DRIVER, path: '/org/freedesktop/DBus', interface: 'org.bus1.Uplink' };
const NAME_REQUEST = { ...UPLINK, interface: DRIVER, member: 'RequestName', signature: 'su' };

/** Longer than anything here takes. */
const LONG_MS = 20_000;

/** Somebody who has asked the bridge to move a name. */
export class Move {
  readonly #mover: RawClient;
  readonly #serial: number;

  constructor(mover: RawClient, name: string, { isBack = false, timeoutMs = LONG_MS } = {}) {
    this.#mover = mover;
    this.#serial = mover.startCall({ ...UPLINK, member: 'Migrate', signature: 'sbu' }, [
      name,
      isBack,
      timeoutMs,
    ]);
  }

  /** Waits until it has got as far as this; the party that the signal tells of. */
  reached(step: string): { owner: string; pid: number } {
    const { body } = this.#mover.receive(
      (each) => each.member === 'MigrationProgress' && each.body[1] === step,
    );
    return JSON.parse(String(body[2]));
  }

  result(): { from: { owner: string }; to: { owner: string }; held: number } {
    const { body, errorName } = this.#mover.replyTo(this.#serial);
    if (errorName !== undefined) throw new Error(`${errorName}: ${String(body[0])}`);
    return JSON.parse(String(body[0]));
  }

  failure(): { errorName: string | undefined; text: string } {
    const { errorName, body } = this.#mover.replyTo(this.#serial);
    return { errorName, text: String(body[0]) };
  }
}

/** Asks for a name without waiting for the answer. */
export function askForName(client: RawClient, name: string, flags = 0): () => number {
  const serial = client.startCall(NAME_REQUEST, [name, flags]);
  return () => {
    const reply = client.replyTo(serial);
    if (reply.errorName !== undefined) throw new ErrorReply(reply);
    return reply.body[0] as number;
  };
}

/** Waits until the service is asked whether it is there, and says so. */
export function answerPing(service: RawClient): void {
  service.reply(service.receive(isCall('Ping')));
}

/** Calls that want no answer, with the numbers from `first` to `last`. */
export function sendNumbers(client: RawClient, to: string, first: number, last: number): void {
  const fields = { destination: to, interface: INTERFACE, member: 'Number', signature: 'u' };
  for (let number = first; number <= last; number++)
    client.startCall({ ...fields, flags: MessageFlag.NoReplyExpected }, [number]);
}

/** The numbers among these messages. */
export function numbersIn(messages: readonly DecodedMessage[]): number[] {
  return messages.filter(isCall('Number')).map(({ body }) => body[0] as number);
}

/** A service that `client` has sent its last number to: all the numbers that it has received. */
export function numbersAt(service: RawClient, client: RawClient, name: string): number[] {
  const serial = client.startCall({ destination: name, interface: INTERFACE, member: 'Last' });
  const received: DecodedMessage[] = [];
  const last = service.receive((each) => {
    if (!isCall('Last')(each)) received.push(each);
    return isCall('Last')(each);
  });
  service.reply(last);
  client.replyTo(serial);
  return numbersIn(received);
}

export function numbers(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** The owners that a name has had, as told by NameOwnerChanged since `watch`. */
export function ownersSeen(watcher: RawClient, name: string): unknown[][] {
  watcher.callBus('GetId');
  return watcher
    .receiveWaiting()
    .filter(({ member, body }) => member === 'NameOwnerChanged' && body[0] === name)
    .map(({ body }) => body.slice(1));
}
