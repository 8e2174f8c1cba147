import { closeFd, setNonBlocking, socketPair } from '#core/linux/index.js';
import { DRIVER, plainCall } from '../fuzz/random-message.js';
import { RawDBusClient } from '../fuzz/raw-dbus-client.js';
import type { Place } from '../fuzz/target.js';
import { rawMessage, signature, string, word } from '../host/raw-message.js';

/** What a D-Bus client does, over and over. `phase` is how far it goes before: see `PHASES`. */
export type DBusDeed = (place: Place, phase: Phase, state: Held) => void;

export const PHASES = ['before authentication', 'before Hello', 'on the bus'] as const;
export type Phase = (typeof PHASES)[number];

/** Connections that a deed keeps from one time to the next. */
export interface Held {
  readonly clients: RawDBusClient[];
  times: number;
}

const LEGACY = 'org.bus1.Legacy';
const NATIVE = 'org.bus1.Native';
const STARTED = 'org.bus1.Started';
/** The policy of the scene lets nobody send to it. */
export const FORBIDDEN = 'org.bus1.Forbidden';

export function enter(place: Place, phase: Phase): RawDBusClient | undefined {
  if (phase === 'before authentication') return new RawDBusClient(place.socketPath);
  const client = RawDBusClient.open(place.socketPath);
  if (phase === 'on the bus') client?.send(plainCall(DRIVER, 'Hello', 1));
  return client;
}

/** The same client each time. */
function same(place: Place, phase: Phase, state: Held): RawDBusClient | undefined {
  const known = state.clients.find(({ isOpen }) => isOpen);
  if (known !== undefined) return known;
  const client = enter(place, phase);
  if (client !== undefined) state.clients.push(client);
  return client;
}

function callOf(
  destination: string,
  member: string,
  serial: number,
  types = '',
  body: Uint8Array = new Uint8Array(0),
): Uint8Array {
  return plainCall(destination, member, serial, types === '' ? undefined : [types, body]);
}

/** Sends what the socket takes of messages made one after the other, and reads nothing. */
function pour(
  client: RawDBusClient | undefined,
  message: (serial: number) => Uint8Array,
  state: Held,
  count = 500,
): void {
  if (client === undefined) return;
  const messages = Array.from({ length: count }, () => message(++state.times + 1));
  client.trySend(Buffer.concat(messages));
}

/** Sends them, and reads what comes back. */
function ask(
  client: RawDBusClient | undefined,
  message: (serial: number) => Uint8Array,
  state: Held,
  count = 200,
): void {
  if (client === undefined) return;
  const messages = Array.from({ length: count }, () => message(++state.times + 1));
  client.send(Buffer.concat(messages), [], 50);
  client.discardInput();
}

const text = (value: string): Uint8Array => string(value);

function broadcast(serial: number): Uint8Array {
  return rawMessage({
    type: 4,
    serial,
    fields: [
      [1, 'o', string('/a')],
      [2, 's', string('org.bus1.Flood')],
      [3, 's', string('Flood')],
    ],
  });
}

/** Replies to nobody's call. */
function reply(serial: number): Uint8Array {
  return rawMessage({
    type: 2,
    serial,
    fields: [
      [5, 'u', word(serial)],
      [6, 's', string(LEGACY)],
    ],
  });
}

function becomeMonitor(): Uint8Array {
  return rawMessage({
    serial: 2,
    fields: [
      [1, 'o', string('/org/freedesktop/DBus')],
      [2, 's', string('org.freedesktop.DBus.Monitoring')],
      [3, 's', string('BecomeMonitor')],
      [6, 's', string(DRIVER)],
      [8, 'g', signature('asu')],
    ],
    body: Buffer.concat([word(0), word(0)]),
  });
}

/** Deeds that need no more than a connection. */
export const EARLY_DEEDS: Readonly<Record<string, DBusDeed>> = {
  'connections that come and go': (place, phase) => {
    for (let i = 0; i < 50; i++) enter(place, phase)?.close();
  },
  'connections that stay': (place, phase, { clients }) => {
    if (clients.length >= 100) return;
    const client = enter(place, phase);
    if (client !== undefined) clients.push(client);
  },
  'half a line, or half a message': (place, phase, state) => {
    const half =
      phase === 'before authentication'
        ? Buffer.from('\0AUTH EXTER')
        : callOf(DRIVER, 'GetId', 2).slice(0, 40);
    const client = enter(place, phase);
    client?.send(half);
    if (client !== undefined && state.clients.length < 100) state.clients.push(client);
    else client?.close();
  },
  'nothing but zeros': (place, phase, state) =>
    void same(place, phase, state)?.trySend(new Uint8Array(4096)),
};

/** Deeds of somebody who is on the bus. */
export const LATE_DEEDS: Readonly<Record<string, DBusDeed>> = {
  'calls of a D-Bus service whose answers it does not read': (place, phase, state) =>
    pour(
      same(place, phase, state),
      (serial) => callOf(LEGACY, 'Echo', serial, 'u', word(serial)),
      state,
    ),
  'calls of a native service whose answers it does not read': (place, phase, state) =>
    pour(
      same(place, phase, state),
      (serial) => callOf(NATIVE, 'Echo', serial, 'u', word(serial)),
      state,
    ),
  'calls of the bus whose answers it does not read': (place, phase, state) =>
    pour(same(place, phase, state), (serial) => callOf(DRIVER, 'ListNames', serial), state),
  'its own signals, which it does not read': (place, phase, state) => {
    const client = same(place, phase, state);
    if (state.times === 0)
      client?.send(callOf(DRIVER, 'AddMatch', 2, 's', text("interface='org.bus1.Flood'")));
    pour(client, broadcast, state);
  },
  'match rules without end': (place, phase, state) =>
    ask(
      same(place, phase, state),
      (serial) => callOf(DRIVER, 'AddMatch', serial, 's', text(`arg0='a${serial}'`)),
      state,
    ),
  'names without end': (place, phase, state) =>
    ask(
      same(place, phase, state),
      (serial) => callOf(DRIVER, 'RequestName', serial, 'su', named(`org.flood.N${serial}`)),
      state,
    ),
  'replies that nobody awaits': (place, phase, state) =>
    ask(same(place, phase, state), reply, state),
  'calls that the policy forbids': (place, phase, state) =>
    ask(same(place, phase, state), (serial) => callOf(FORBIDDEN, 'Echo', serial), state),
  'calls of nobody': (place, phase, state) =>
    ask(
      same(place, phase, state),
      (serial) => callOf(`org.flood.Absent${serial}`, 'Echo', serial),
      state,
    ),
  'calls of a service that is started on demand': (place, phase, state) =>
    ask(
      same(place, phase, state),
      (serial) => callOf(STARTED, 'Echo', serial, 'u', word(serial)),
      state,
      20,
    ),
  'descriptors without end': (place, phase, state) => {
    const client = same(place, phase, state);
    const message = withDescriptors(++state.times + 1, 4);
    client?.trySend(message, 0, [0, 0, 0, 0]);
    client?.discardInput();
  },
  'sockets whose other end makes them block': (place, phase, state) => {
    const client = same(place, phase, state);
    const [ours, theirs] = socketPair();
    client?.trySend(withDescriptors(++state.times + 1, 1), 0, [theirs]);
    setNonBlocking(theirs, false);
    setNonBlocking(client?.fd ?? theirs, true);
    closeFd(ours);
    closeFd(theirs);
    client?.discardInput();
  },
  'reloads without end': (place, phase, state) =>
    pour(same(place, phase, state), (serial) => callOf(DRIVER, 'ReloadConfig', serial), state),
  'a monitor that does not read': (place, phase, state) => {
    if (state.clients.length === 0) same(place, phase, state)?.send(becomeMonitor());
  },
  'messages that are wrong': (place, phase) => {
    const client = enter(place, phase);
    client?.send(
      Uint8Array.of(0x6c, 9, 9, 9, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff),
    );
    client?.close();
  },
};

function named(name: string): Uint8Array {
  const bytes = string(name);
  return Buffer.concat([bytes, new Uint8Array(-bytes.length & 3), word(0)]);
}

function withDescriptors(serial: number, count: number): Uint8Array {
  return rawMessage({
    serial,
    fields: [
      [1, 'o', string('/a')],
      [3, 's', string('Take')],
      [6, 's', string(LEGACY)],
      [8, 'g', signature('h')],
      [9, 'u', word(count)],
    ],
    body: word(0),
  });
}

/** What any program may do: it keeps bus and processor as busy as the deeds do, and does no harm. */
export const HONEST_DEEDS: Readonly<Record<string, DBusDeed>> = {
  'calls of a service whose answers it reads': (place, phase, state) =>
    ask(
      same(place, phase, state),
      (serial) => callOf(LEGACY, 'Echo', serial, 'u', word(serial)),
      state,
    ),
};
