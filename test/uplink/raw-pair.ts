// A bridge beside a real bus, with clients on both sides that do what they are told.
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import type { DecodedMessage } from '#bridge/wire/message.js';
import { RawClient } from '../support/raw-client.js';
import { Bridge, type BridgeOptions } from './bridge.js';
import { OldBus, type OldBusKind } from './old-bus.js';

export const OLD_NAME = 'org.example.Old';
export const NEW_NAME = 'org.example.New';
export const INTERFACE = 'org.example.Pair';
export const DRIVER = 'org.freedesktop.DBus';

export class RawPair {
  readonly old: OldBus;
  readonly bridge: Bridge;
  readonly #clients: RawClient[] = [];

  private constructor(old: OldBus, bridge: Bridge) {
    this.old = old;
    this.bridge = bridge;
  }

  static async start(kind: OldBusKind, options: BridgeOptions = {}): Promise<RawPair> {
    const old = await OldBus.start(kind);
    const names = { imports: [OLD_NAME], exports: [NEW_NAME] };
    return new RawPair(old, await Bridge.attach(old, { ...names, ...options }));
  }

  /** A client behind the bridge. */
  here(): RawClient {
    return this.#keep(RawClient.open(this.bridge.address));
  }

  /** A client of the old bus. */
  there(): RawClient {
    return this.#keep(RawClient.open(this.old.address));
  }

  /** A client of the old bus that owns the imported name, once the bridge knows of it. */
  oldService(witness: RawClient): RawClient {
    const service = this.there();
    watch(witness, OLD_NAME);
    takeName(service, OLD_NAME);
    witness.receive(isOwned(OLD_NAME));
    return service;
  }

  /** A client behind the bridge that owns the exported name. */
  newService(): RawClient {
    const service = this.here();
    takeName(service, NEW_NAME);
    return service;
  }

  closeClients({ except }: { except?: RawClient } = {}): void {
    for (const client of this.#clients.splice(0)) {
      if (client === except) this.#clients.push(client);
      else client.close();
    }
  }

  async stop(): Promise<void> {
    this.closeClients();
    await this.bridge.stop();
    await this.old.stop();
  }

  #keep(client: RawClient): RawClient {
    this.#clients.push(client);
    return client;
  }
}

export function takeName(client: RawClient, name: string, flags = 0): number {
  return client.callBus('RequestName', 'su', [name, flags])[0] as number;
}

export function addMatch(client: RawClient, rule: string): void {
  client.callBus('AddMatch', 's', [rule]);
}

/** Sees every change of a name's owner from now on. */
export function watch(client: RawClient, name: string): void {
  addMatch(client, `type='signal',sender='${DRIVER}',member='NameOwnerChanged',arg0='${name}'`);
}

export const isOwned =
  (name: string) =>
  ({ member, body }: DecodedMessage): boolean =>
    member === 'NameOwnerChanged' && body[0] === name && body[2] !== '';

export const isGone =
  (name: string) =>
  ({ member, body }: DecodedMessage): boolean =>
    member === 'NameOwnerChanged' && body[0] === name && body[2] === '';

export const isCall =
  (name: string) =>
  ({ type, member }: DecodedMessage): boolean =>
    type === MessageType.MethodCall && member === name;

export const isSignal =
  (name: string) =>
  ({ type, member }: DecodedMessage): boolean =>
    type === MessageType.Signal && member === name;

/** Emits a signal, to everybody unless `destination` says otherwise. */
export function emit(client: RawClient, member: string, destination?: string): void {
  const flags = MessageFlag.NoReplyExpected;
  client.post(MessageType.Signal, { flags, path: '/', interface: INTERFACE, member, destination });
}

/** Sends a call that is answered by the other test client; returns what that has received. */
export function callAndAnswer(client: RawClient, name: string, service: RawClient): DecodedMessage {
  const serial = client.startCall({ destination: name, interface: INTERFACE, member: 'Ask' });
  const call = service.receive(isCall('Ask'));
  service.reply(call, 's', ['answer']);
  const reply = client.replyTo(serial);
  if (reply.body[0] !== 'answer') throw new Error(`no answer, but ${JSON.stringify(reply.body)}`);
  return call;
}

/** Waits until everything that was said to `client` before has arrived, by way of `name`'s owner `service`. */
export function settle(client: RawClient, name: string, service: RawClient): DecodedMessage[] {
  callAndAnswer(client, name, service);
  return client.receiveWaiting();
}
