import { MessageType } from '#bridge/wire/types.js';
import { Attendant, MARKER_INTERFACE } from './attendant.js';
import { damaged } from './damage.js';
import { encodeSpec } from './encode.js';
import type { Doors } from './doors.js';
import { normalise, type NormalMessage, type Names } from './normalise.js';
import { isAnsweredLater, type MessageSpec, type Operation } from './operation.js';
import { isSyncSerial, RawClient, type ReceivedMessage } from './raw-client.js';

/** What each client has received since the step before, or that its connection was closed. */
export type Observation = ReadonlyMap<number, readonly (NormalMessage | string)[]>;

/** One bus with the clients of one conversation, which it takes through it step by step. */
export class Stage {
  readonly #path: string;
  readonly #doors: Doors | undefined;
  readonly #attendant: Attendant;
  readonly #clients = new Map<number, RawClient>();
  readonly #uniqueNames = new Map<number, string>();
  readonly #calls = new Map<string, MessageSpec>();
  readonly #ended = new Set<RawClient>();

  private constructor(path: string, attendant: Attendant, doors: Doors | undefined) {
    this.#path = path;
    this.#doors = doors;
    this.#attendant = attendant;
  }

  /** `doors`: the processes that clients belong to; undefined: to this one. */
  static async open(path: string, doors?: Doors): Promise<Stage> {
    const way = doors && ((to: string) => doors.connect(to, 0));
    return new Stage(path, await Attendant.open(path, way), doors);
  }

  /** Does one step, waits until everybody has got all that follows from it, and tells what that was. */
  async perform(operation: Operation): Promise<Observation> {
    const { client } = operation;
    let actor = this.#clients.get(client);
    if (operation.kind === 'connect') {
      if (actor !== undefined) return new Map();
      const doors = this.#doors;
      const way = doors && ((path: string) => doors.connect(path, client));
      actor = await RawClient.open(this.#path, way);
      this.#clients.set(client, actor);
    } else if (actor === undefined || actor.isClosed) {
      return new Map();
    }
    await this.#act(actor, operation);
    await this.#settle(actor);
    return this.#collect(operation.kind === 'leave' ? actor : undefined);
  }

  /** Everybody leaves; the next conversation finds a bus on which nobody is. */
  async clear(): Promise<void> {
    for (const client of this.#clients.values()) {
      if (!client.isClosed) await client.leave();
      await this.#awaitDeparture(client);
    }
    this.#clients.clear();
    this.#uniqueNames.clear();
    this.#calls.clear();
    this.#ended.clear();
  }

  async #act(actor: RawClient, operation: Operation): Promise<void> {
    switch (operation.kind) {
      case 'connect':
        return actor.roundTrip();
      case 'send':
        this.#noteCall(operation.client, operation.message);
        return this.#send(actor, operation.message);
      case 'garble':
        return actor.roundTrip(damaged(this.#encode(operation.message), operation.damage));
      case 'leave':
        if (operation.last === undefined) return actor.leave();
        this.#noteCall(operation.client, operation.last);
        return actor.leaveAfter(this.#encode(operation.last));
    }
  }

  async #send(actor: RawClient, message: MessageSpec): Promise<void> {
    const bytes = this.#encode(message);
    if (actor.isMonitor) {
      actor.send(bytes);
      return actor.until(({ replySerial }) => replySerial === message.serial);
    }
    if (!isAnsweredLater(message)) return actor.roundTrip(bytes);
    actor.send(bytes);
    await actor.until(({ replySerial, type }) => {
      const isAnswer = replySerial === message.serial;
      const isSuccess = isAnswer && type === MessageType.MethodReturn;
      if (isSuccess && message.member === 'BecomeMonitor') actor.isMonitor = true;
      return isAnswer;
    });
    /* a monitor must not send anything any more */
    if (!actor.isMonitor) await actor.roundTrip();
  }

  async #settle(actor: RawClient): Promise<void> {
    if (actor.isClosed) await this.#awaitDeparture(actor);
    const others = [...this.#clients.values()].filter((client) => !client.isClosed);
    const monitors = others.filter(({ isMonitor }) => isMonitor);
    const askers = others.filter((each) => !each.isMonitor);
    if (this.#doors === undefined) {
      await Promise.all(askers.filter((each) => each !== actor).map((each) => each.roundTrip()));
    } else {
      /*
       * Between clients of different processes several hosts promise no order (docs/hosts.md): what follows from the
       * step on another host has begun there by the first answer, and is over by the second.
       */
      for (let round = 0; round < 2; round++)
        await Promise.all(askers.map((each) => each.roundTrip()));
    }
    if (monitors.length === 0) return;
    const sign = this.#attendant.giveSign();
    await Promise.all(monitors.map((monitor) => monitor.until((message) => isSign(message, sign))));
  }

  /** The bus drops the names of a connection that has closed some time after. */
  async #awaitDeparture(client: RawClient): Promise<void> {
    if (this.#ended.has(client)) return;
    if (client.uniqueName !== '' && !client.isMonitor) {
      await this.#attendant.departed(client.uniqueName);
    }
  }

  #collect(leaver: RawClient | undefined): Observation {
    for (const [number, client] of this.#clients) {
      if (client.uniqueName !== '') this.#uniqueNames.set(number, client.uniqueName);
    }
    const observation = new Map<number, (NormalMessage | string)[]>();
    for (const [number, client] of this.#clients) {
      /* whether the last words for one who has left are still written is a question of time */
      const taken = client.take();
      const received = client === leaver ? [] : taken;
      const seen: (NormalMessage | string)[] = received
        .filter((message) => !isOurs(message))
        .map((message) => normalise(message, number, this.#names));
      if (this.#doors !== undefined) orderNoReplies(seen);
      if (client.isMute) seen.push('gets no answer any more');
      if (client.isClosed && !this.#ended.has(client)) seen.push('is disconnected');
      if (client.isClosed) this.#ended.add(client);
      if (seen.length > 0) observation.set(number, seen);
    }
    return observation;
  }

  readonly #names: Names = {
    symbolic: (text) =>
      text.replaceAll(/:1\.\d+/gu, (name) => {
        for (const [number, unique] of this.#uniqueNames) if (unique === name) return `#${number}`;
        return name;
      }),
    call: (client, serial) => this.#calls.get(`${client}/${serial}`),
  };

  #noteCall(client: number, message: MessageSpec): void {
    if (message.type !== MessageType.MethodCall) return;
    this.#calls.set(`${client}/${message.serial}`, message);
  }

  #encode(message: MessageSpec): Uint8Array {
    return encodeSpec(message, (text) =>
      text.replaceAll(
        /#(\d+)/gu,
        (_all, number) => this.#uniqueNames.get(Number(number)) ?? `:1.40000000${number}`,
      ),
    );
  }
}

function isSign({ interface: name, serial }: ReceivedMessage, sign: number): boolean {
  return name === MARKER_INTERFACE && serial === sign;
}

/** Callers on several hosts learn in no promised order that their callee is gone; a monitor sees it. */
function orderNoReplies(seen: (NormalMessage | string)[]): void {
  const isNoReply = (each: NormalMessage | string): each is NormalMessage =>
    typeof each !== 'string' && each.errorName === 'org.freedesktop.DBus.Error.NoReply';
  const places = [...seen.keys()].filter((i) => isNoReply(seen[i]));
  const key = (each: NormalMessage): string => `${each.destination} ${each.replySerial}`;
  const errors = seen.filter(isNoReply).toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  for (const [i, place] of places.entries()) seen[place] = errors[i];
}

/** Traffic of the test itself, which monitors and eavesdroppers see as well. */
function isOurs({ interface: name, type, serial, replySerial }: ReceivedMessage): boolean {
  if (name === MARKER_INTERFACE || isSyncSerial(replySerial)) return true;
  return type === MessageType.MethodCall && isSyncSerial(serial);
}
