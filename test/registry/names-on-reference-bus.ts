import type { Message, MessageBus } from 'dbus-next';
import { startReferenceBus } from '../activation/reference-bus.js';
import { askBus, connect } from '../support/names.js';

export type NameOperation =
  | { kind: 'request'; owner: string; name: string; flags: number }
  | { kind: 'release'; owner: string; name: string }
  | { kind: 'disconnect'; owner: string };

export interface Observation {
  reply: number;
  changes: { name: string; oldOwner: string | undefined; newOwner: string | undefined }[];
  queues: string[][];
}

/**
 * Performs the steps on a real dbus-daemon with one connection an owner, and tells what could be
 * seen.
 */
export async function replayOnReferenceBus(
  steps: readonly NameOperation[],
  owners: readonly string[],
  names: readonly string[],
): Promise<Observation[]> {
  const bus = await startReferenceBus();
  const replay = new Replay(bus.address, names);
  try {
    await replay.start(owners);
    const observations: Observation[] = [];
    for (const step of steps) observations.push(await replay.perform(step));
    return observations;
  } finally {
    replay.stop();
    await bus.stop();
  }
}

interface Connection {
  readonly bus: MessageBus;
  readonly uniqueName: string;
}

class Replay {
  readonly #connections = new Map<string, Connection>();
  readonly #ownerOf = new Map<string, string>();
  readonly #address: string;
  readonly #names: readonly string[];
  #observer!: Connection;
  #signals: string[][] = [];
  #onSignal = (_signal: string[]): void => undefined;

  constructor(address: string, names: readonly string[]) {
    this.#address = address;
    this.#names = names;
  }

  async start(owners: readonly string[]): Promise<void> {
    this.#observer = await this.#connect();
    this.#observer.bus.on('message', (message: Message) => {
      if (message.member !== 'NameOwnerChanged') return;
      const signal: string[] = message.body;
      this.#signals.push(signal);
      this.#onSignal(signal);
    });
    await askBus(this.#observer.bus, 'AddMatch', 's', ["type='signal',member='NameOwnerChanged'"]);
    for (const owner of owners) await this.#connectOwner(owner);
    this.#signals = [];
  }

  stop(): void {
    for (const { bus } of [this.#observer, ...this.#connections.values()]) bus.disconnect();
  }

  async perform(step: NameOperation): Promise<Observation> {
    const reply =
      step.kind === 'disconnect' ? await this.#reconnect(step.owner) : await this.#ask(step);
    const queues = await Promise.all(this.#names.map((name) => this.#queue(name)));
    // The observer's replies above were sent after the signals of this step, so all of them are
    // here.
    const changes = this.#signals
      .filter(([name]) => this.#names.includes(name))
      .map(([name, oldOwner, newOwner]) => ({
        name,
        oldOwner: this.#ownerOf.get(oldOwner),
        newOwner: this.#ownerOf.get(newOwner),
      }));
    this.#signals = [];
    return { reply, changes, queues };
  }

  async #ask(step: Exclude<NameOperation, { kind: 'disconnect' }>): Promise<number> {
    const { bus } = this.#connection(step.owner);
    const answer =
      step.kind === 'request'
        ? await askBus(bus, 'RequestName', 'su', [step.name, step.flags])
        : await askBus(bus, 'ReleaseName', 's', [step.name]);
    return answer.body[0];
  }

  async #reconnect(owner: string): Promise<number> {
    const { bus, uniqueName } = this.#connection(owner);
    const gone = new Promise<void>((resolve) => {
      this.#onSignal = ([name, , newOwner]) => {
        if (name === uniqueName && newOwner === '') resolve();
      };
    });
    bus.disconnect();
    await gone;
    await this.#connectOwner(owner);
    return 0;
  }

  async #queue(name: string): Promise<string[]> {
    try {
      const answer = await askBus(this.#observer.bus, 'ListQueuedOwners', 's', [name]);
      const queue: string[] = answer.body[0];
      return queue.map((owner) => this.#ownerOf.get(owner) ?? owner);
    } catch {
      return [];
    }
  }

  async #connectOwner(owner: string): Promise<void> {
    const connection = await this.#connect();
    this.#connections.set(owner, connection);
    this.#ownerOf.set(connection.uniqueName, owner);
  }

  #connection(owner: string): Connection {
    const connection = this.#connections.get(owner);
    if (connection === undefined) throw new Error(`${owner} is not connected`);
    return connection;
  }

  async #connect(): Promise<Connection> {
    const bus = await connect(this.#address);
    // Every reply is addressed to the unique name of the one who asked.
    const { destination } = await askBus(bus, 'GetId', '', []);
    return { bus, uniqueName: destination };
  }
}
