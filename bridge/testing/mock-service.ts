import type { Bus } from '#bridge/client/bus.js';
import { ClientError, TimeoutError } from '#bridge/client/errors.js';
import { RequestNameReply } from '#bridge/client/own-names.js';
import { MockObject, type MockDefinition } from './mock-object.js';

/** Objects by their paths. */
export type MockedObjects = Readonly<Record<string, MockDefinition>>;

/** A call that a mock has received; values that a program has set are calls of `Set`, without the Variant. */
export interface RecordedCall {
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly args: readonly unknown[];
  /** the unique name of the caller */
  readonly sender: string | undefined;
}

/** Which calls are meant: those of a member, or those for which a function returns true. */
export type CallFilter = string | ((call: RecordedCall) => boolean);

interface Waiter {
  readonly filter: CallFilter;
  readonly resolve: (call: RecordedCall) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** A service that answers as a test wants, and records what it is asked. */
export class MockService {
  readonly name: string;
  /** the connection of the service, for all that a mock has no method for */
  readonly bus: Bus;
  /** what has arrived, in that order; a test may empty it */
  readonly calls: RecordedCall[] = [];
  readonly #objects = new Map<string, MockObject>();
  readonly #timeoutMs: number;
  readonly #waiting = new Set<Waiter>();

  private constructor(bus: Bus, name: string, timeoutMs: number) {
    this.bus = bus;
    this.name = name;
    this.#timeoutMs = timeoutMs;
  }

  /** Called by `TestBus.mock`. */
  static async open(
    bus: Bus,
    name: string,
    objects: MockedObjects,
    timeoutMs: number,
  ): Promise<MockService> {
    const service = new MockService(bus, name, timeoutMs);
    for (const [path, definition] of Object.entries(objects)) service.add(path, definition);
    const reply = await bus.requestName(name, { doNotQueue: true });
    if (reply !== RequestNameReply.PrimaryOwner) {
      throw new TypeError(`${name} has an owner on the test bus already`);
    }
    return service;
  }

  /** Adds an object. @throws TypeError when the path is taken, or a member is not described; IntrospectionError */
  add(path: string, definition: MockDefinition): MockObject {
    const object = new MockObject(path, definition);
    const interfaces = object.serve((iface, member, args, { sender }) =>
      this.#note({ path, interface: iface, member, args, sender }),
    );
    const { isManager = false } = definition;
    const served = isManager
      ? this.bus.serveManager(path, interfaces)
      : this.bus.serve(path, interfaces);
    object.attach(served);
    this.#objects.set(path, object);
    return object;
  }

  /** @throws TypeError when there is none */
  object(path: string): MockObject {
    const object = this.#objects.get(path);
    if (object !== undefined) return object;
    const known = [...this.#objects.keys()].join(', ') || 'none';
    throw new TypeError(`the mock ${this.name} has no object at ${path}; it has ${known}`);
  }

  /** Removes an object. */
  remove(path: string): void {
    this.object(path).close();
    this.#objects.delete(path);
  }

  /** The calls of a member. */
  callsOf(filter: CallFilter): RecordedCall[] {
    return this.calls.filter((call) => fits(filter, call));
  }

  /** Resolves with the first call that fits, also when it has been recorded already. @throws TimeoutError */
  waitForCall(filter: CallFilter, timeoutMs = this.#timeoutMs): Promise<RecordedCall> {
    const [known] = this.callsOf(filter);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(waiter);
        reject(new TimeoutError(this.#waitedFor(filter), timeoutMs));
      }, timeoutMs);
      const waiter = { filter, resolve, reject, timer };
      this.#waiting.add(waiter);
    });
  }

  /** The service leaves the bus, as if its process had ended. */
  stop(): void {
    for (const { reject, timer } of this.#waiting) {
      clearTimeout(timer);
      reject(new ClientError('BusClosed', `the mock ${this.name} was stopped`));
    }
    this.#waiting.clear();
    this.bus.close();
  }

  #note(call: RecordedCall): void {
    this.calls.push(call);
    for (const waiter of this.#waiting) {
      if (!fits(waiter.filter, call)) continue;
      this.#waiting.delete(waiter);
      clearTimeout(waiter.timer);
      waiter.resolve(call);
    }
  }

  #waitedFor(filter: CallFilter): string {
    const what = typeof filter === 'string' ? `a call of ${filter}` : 'a call that fits';
    const seen = this.calls.map(({ member }) => member).join(', ') || 'none';
    return `${what} to the mock ${this.name} (calls so far: ${seen})`;
  }
}

function fits(filter: CallFilter, call: RecordedCall): boolean {
  return typeof filter === 'string' ? call.member === filter : filter(call);
}
