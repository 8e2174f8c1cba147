import { Names } from '#bridge/registry/names.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import type { Random } from '../core/random.js';
import { DAMAGES } from './damage.js';
import {
  callsDriver,
  DRIVER,
  isAnsweredLater,
  type MessageSpec,
  type Operation,
} from './operation.js';
import { anyDriverCall, type DriverCall } from './random-driver-call.js';
import {
  anyBody,
  destination,
  errorName,
  INTERFACES,
  MEMBERS,
  PATHS,
  WELL_KNOWN_NAMES,
} from './random-values.js';

/** No call has this serial. */
const NEVER_PENDING = 0x30000000;

const CLIENTS_MAX = 8;

interface PendingCall {
  readonly caller: number;
  readonly callee: number;
  readonly serial: number;
}

type Trimmings = Pick<
  MessageSpec,
  'serial' | 'flags' | 'isBigEndian' | 'forgedSender' | 'hasUnknownField'
>;

/**
 * Makes up a conversation. It keeps a rough idea of who is there, who owns what and which replies are due, so that most
 * of what is said makes sense; where it is wrong, the conversation is odd, which is what some are meant to be.
 */
class Imagination {
  readonly operations: Operation[] = [];
  readonly #random: Random;
  readonly #present = new Set<number>();
  readonly #silent = new Set<number>();
  readonly #serials = new Map<number, number>();
  readonly #names = new Names<number>();
  readonly #rules = new Map<number, string[]>();
  #pending: PendingCall[] = [];
  #clients = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  get #someone(): number {
    return this.#random.pick([...this.#present]);
  }

  arrive(): void {
    const client = this.#clients++;
    this.#present.add(client);
    this.operations.push({ kind: 'connect', client });
    if (this.#random.chance(0.06)) this.#silent.add(client);
    else this.#greet(client);
  }

  step(): void {
    if (this.#present.size < 2 || this.#random.chance(0.03)) {
      if (this.#clients < CLIENTS_MAX) this.arrive();
      if (this.#present.size === 0) return;
    }
    const client = this.#someone;
    if (this.#silent.has(client) && this.#random.chance(0.6)) this.#greet(client);
    const kind = this.#random.below(100);
    if (kind < 2) this.#leave(client);
    else if (kind < 3) this.#garble(client);
    else this.#send(client, this.#message(client));
  }

  #greet(client: number): void {
    this.#silent.delete(client);
    this.operations.push({
      kind: 'send',
      client,
      message: {
        type: MessageType.MethodCall,
        serial: this.#serial(client),
        path: '/org/freedesktop/DBus',
        interface: DRIVER,
        member: 'Hello',
        destination: DRIVER,
      },
    });
  }

  #leave(client: number): void {
    this.#present.delete(client);
    const last =
      this.#silent.has(client) || this.#random.chance(0.6) ? undefined : this.#message(client);
    const isUsual = last === undefined || !isAnsweredLater(last);
    this.operations.push({ kind: 'leave', client, ...(isUsual && { last }) });
    this.#forget(client);
  }

  #garble(client: number): void {
    this.#present.delete(client);
    const message = { ...this.#call(client), isBigEndian: false, hasUnknownField: false };
    const damage = this.#random.pick(DAMAGES);
    this.operations.push({ kind: 'garble', client, message, damage });
    this.#forget(client);
  }

  #forget(client: number): void {
    this.#names.releaseAll(client);
    this.#pending = this.#pending.filter(({ callee }) => callee !== client);
  }

  #send(client: number, message: MessageSpec): void {
    this.operations.push({ kind: 'send', client, message });
    const [name, flags] = (message.body ?? []) as [string, number];
    if (callsDriver(message, 'RequestName')) {
      if (WELL_KNOWN_NAMES.some((each) => each === name)) this.#names.request(name, client, flags);
    } else if (callsDriver(message, 'ReleaseName')) {
      this.#names.release(name, client);
    } else if (callsDriver(message, 'AddMatch')) {
      this.#rules.set(client, [...(this.#rules.get(client) ?? []), name]);
    } else if (callsDriver(message, 'BecomeMonitor')) {
      this.#names.releaseAll(client);
      if (this.#random.chance(0.9)) this.#present.delete(client);
    }
  }

  #message(client: number): MessageSpec {
    const kind = this.#random.below(100);
    if (kind < 45) return this.#callToDriver(client);
    if (kind < 62) return this.#call(client);
    if (kind < 80) return this.#reply(client);
    if (kind < 96) return this.#signal(client);
    return this.#odd(client);
  }

  #serial(client: number): number {
    const last = this.#serials.get(client) ?? 0;
    if (last > 0 && this.#random.chance(0.01)) return last;
    const next = last + (this.#random.chance(0.02) ? 1000 : 1);
    this.#serials.set(client, next);
    return next;
  }

  /** What any message can have. */
  #trimmings(client: number): Trimmings {
    const random = this.#random;
    let flags = 0;
    if (random.chance(0.15)) flags |= MessageFlag.NoReplyExpected;
    if (random.chance(0.2)) flags |= MessageFlag.NoAutoStart;
    if (random.chance(0.05)) flags |= MessageFlag.AllowInteractiveAuthorization;
    if (random.chance(0.02)) flags |= random.pick([0x08, 0x80]);
    return {
      serial: this.#serial(client),
      flags,
      ...(random.chance(0.15) && { isBigEndian: true }),
      ...(random.chance(0.04) && {
        forgedSender: random.pick([DRIVER, '#0', 'com.example.A', ':1.5']),
      }),
      ...(random.chance(0.03) && { hasUnknownField: true }),
    };
  }

  #callToDriver(client: number): MessageSpec {
    const random = this.#random;
    const rules = this.#rules.get(client) ?? [];
    let call: DriverCall = anyDriverCall(random, this.#clients);
    if (call.member === 'RemoveMatch' && rules.length > 0 && random.chance(0.8)) {
      call = { ...call, body: [random.pick(rules)] };
    }
    const to = random.chance(0.04) ? undefined : DRIVER;
    const trimmings = this.#trimmings(client);
    const message: MessageSpec = {
      type: MessageType.MethodCall,
      ...trimmings,
      ...call,
      ...(to !== undefined && { destination: to }),
    };
    return isAnsweredLater(message) ? { ...message, flags: 0 } : message;
  }

  #call(client: number): MessageSpec {
    const random = this.#random;
    const to = destination(random, this.#clients);
    const message: MessageSpec = {
      type: MessageType.MethodCall,
      ...this.#trimmings(client),
      destination: to,
      path: random.pick(PATHS),
      member: random.pick(MEMBERS),
      ...(random.chance(0.85) && { interface: random.pick(INTERFACES) }),
      ...anyBody(random),
    };
    const callee = to.startsWith('#') ? Number(to.slice(1)) : this.#names.primary(to);
    const isAwaited = ((message.flags ?? 0) & MessageFlag.NoReplyExpected) === 0;
    if (callee !== undefined && (isAwaited || random.chance(0.1))) {
      this.#pending.push({ caller: client, callee, serial: message.serial });
    }
    return message;
  }

  /** Mostly one that somebody waits for. */
  #reply(client: number): MessageSpec {
    const random = this.#random;
    const due = this.#pending.filter(({ callee }) => callee === client);
    const pending =
      due.length > 0 && random.chance(0.85)
        ? random.pick(due)
        : { caller: random.below(this.#clients), callee: client, serial: 1 + random.below(30) };
    const isLast = random.chance(0.9);
    if (isLast) this.#pending = this.#pending.filter((each) => each !== pending);
    const isError = random.chance(0.3);
    return {
      type: isError ? MessageType.Error : MessageType.MethodReturn,
      ...this.#trimmings(client),
      destination: random.chance(0.95) ? `#${pending.caller}` : destination(random, this.#clients),
      replySerial: pending.serial,
      ...(isError && { errorName: errorName(random) }),
      ...anyBody(random),
    };
  }

  #signal(client: number): MessageSpec {
    const random = this.#random;
    return {
      type: MessageType.Signal,
      ...this.#trimmings(client),
      path: random.pick(PATHS),
      interface: random.pick(INTERFACES),
      member: random.pick(MEMBERS),
      ...(random.chance(0.3) && { destination: destination(random, this.#clients) }),
      ...anyBody(random),
    };
  }

  /** Messages that make little sense, each for its own reason. */
  #odd(client: number): MessageSpec {
    const random = this.#random;
    const trimmings = this.#trimmings(client);
    const { destination: _destination, ...undirected } = this.#reply(client);
    switch (random.below(8)) {
      case 0:
        return undirected;
      case 1:
        return { ...undirected, destination: DRIVER };
      case 2:
        return { ...this.#signal(client), destination: DRIVER };
      case 3:
        return { ...trimmings, type: 5 + random.below(3), destination: `#${client}` };
      case 4:
        return { ...trimmings, type: 200, ...(random.chance(0.5) && { destination: DRIVER }) };
      case 5: {
        const { destination: _to, ...call } = this.#call(client);
        return call;
      }
      case 6:
        return { ...this.#call(client), replySerial: NEVER_PENDING };
      default:
        return { ...this.#signal(client), replySerial: NEVER_PENDING };
    }
  }
}

/** A conversation of some clients, in about so many steps. */
export function randomConversation(random: Random, steps: number): Operation[] {
  const imagination = new Imagination(random);
  const clients = 2 + random.below(4);
  for (let i = 0; i < clients; i++) imagination.arrive();
  for (let i = 0; i < steps; i++) imagination.step();
  return imagination.operations;
}
