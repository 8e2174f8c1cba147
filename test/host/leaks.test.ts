// Five hundred clients come, do this and that, and leave in one way or another; then the bus is as
// it was.
import { closeSync, openSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { type Random, seededRandom } from '../core/random.js';
import { Disconnected, RawClient } from '../support/raw-client.js';
import { busFigures, WatchedBus } from './watched-bus.js';

const CLIENTS = 500;
const WARM_UP_CLIENTS = 60;
/** A host takes 64 connections of one process before another gets some (docs/hosts.md). */
const CROWD = 100;
const AT_ONCE = 20;
const SAME_AT_REST = 100;

/** What the log may say of those who do not leave in peace, or say that it leaves out; N is a number. */
const REASONS = [
  'connection closed: it disconnected in the middle of a message, after N bytes of it',
  "connection closed: it sent a malformed message: the first byte is neither 'l' nor 'B'",
  'connection closed: it sent file descriptors without having negotiated them',
  'messages are refused: a client does not read (max_outgoing_bytes=N)',
];

const BUS = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus' };

/** All that is to be zero again, or what it was. */
const RETURNING = [
  'ActiveConnections',
  'IncompleteConnections',
  'MatchRules',
  'BusNames',
  'org.bus1.Core.Peers',
  'org.bus1.Core.Nodes',
  'org.bus1.Core.Handles',
  'org.bus1.Core.Charged',
  'org.bus1.Arena.UsedBytes',
];

let bus: WatchedBus;
let fd: number;
beforeAll(() => {
  fd = openSync('/dev/null', 'r');
});
afterEach(() => bus.stop());
afterAll(() => closeSync(fd));

function figures(observer: RawClient): Record<string, number> {
  const all = busFigures(observer);
  const chosen = Object.fromEntries(RETURNING.map((key) => [key, all.get(key)!]));
  return { ...chosen, descriptors: bus.openDescriptors() };
}

/**
 * What a client may do; nobody waits for an answer, so that whatever it is may be under way when
 * somebody leaves.
 */
const DEEDS: ((client: RawClient, others: readonly RawClient[], random: Random) => void)[] = [
  (client, _, random) =>
    toBus(client, 'RequestName', 'su', [`org.example.Leak${random.below(10)}`, random.below(8)]),
  (client, _, random) => toBus(client, 'ReleaseName', 's', [`org.example.Leak${random.below(10)}`]),
  (client, _, random) =>
    toBus(client, 'AddMatch', 's', [`type='signal',member='M${random.below(5)}'`]),
  (client, _, random) =>
    toBus(client, 'RemoveMatch', 's', [`type='signal',member='M${random.below(5)}'`]),
  (client) => toBus(client, 'AddMatch', 's', [`sender='${client.uniqueName}'`]),
  (client, others, random) =>
    client.startCall({ destination: random.pick(others).uniqueName, member: 'Ask' }),
  (client, others, random) =>
    client.startCall({ destination: random.pick(others).uniqueName, member: 'Take' }, [], [fd, fd]),
  (client, _, random) =>
    client.startCall({ destination: `org.example.Leak${random.below(12)}`, member: 'Ask' }),
  (client, _, random) =>
    client.post(MessageType.Signal, {
      path: '/',
      interface: 'a.b',
      member: `M${random.below(5)}`,
    }),
  (client, others, random) =>
    client.startCall(
      { destination: random.pick(others).uniqueName, member: 'Big', signature: 'ay' },
      [new Uint8Array(random.below(100_000))],
    ),
  (client) => toBus(client, 'GetConnectionCredentials', 's', [client.uniqueName]),
  (client) => {
    for (const message of client.receiveWaiting()) {
      if (message.type === MessageType.MethodCall) client.reply(message);
    }
  },
];

function toBus(client: RawClient, member: string, signature: string, body: unknown[]): void {
  client.startCall({ ...BUS, member, signature }, body);
}

/** How a client may leave. */
const ENDINGS: ((client: RawClient) => void)[] = [
  (client) => client.close(),
  (client) => {
    client.send(encodeMessage({ type: 1, serial: 9, path: '/', member: 'Half' }).slice(0, 20));
    client.close();
  },
  (client) => {
    client.send(encodeMessage({ type: 1, serial: 9, path: '/', member: 'M' }).slice(0, 20), [fd]);
    client.close();
  },
  (client) => {
    client.send(Buffer.from('this is not a message at all'));
    client.close();
  },
  (client) => {
    becomeMonitor(client);
    client.close();
  },
];

/** Ends without Hello. */
function visit(random: Random): void {
  const stranger = new RawClient(bus.address);
  const deeds = [
    () => {},
    () => stranger.send(Buffer.from('\0AUTH')),
    () => stranger.authenticate(),
  ];
  random.pick(deeds)();
  stranger.close();
}

/** False when the bus has disconnected the client, for something that it has done before. */
function survives(deed: () => void): boolean {
  try {
    deed();
    return true;
  } catch (error) {
    if (error instanceof Disconnected) return false;
    throw error;
  }
}

function leave(client: RawClient, present: RawClient[]): void {
  present.splice(present.indexOf(client), 1);
  client.close();
}

/**
 * Somebody may come (then it is true), somebody may leave, and those who are there do something.
 */
function step(present: RawClient[], mayArrive: boolean, random: Random): boolean {
  const arrives = mayArrive && (present.length < 2 || random.chance(0.2));
  if (arrives) {
    present.push(RawClient.open(bus.address, random.chance(0.8)));
    if (random.chance(0.1)) visit(random);
  }
  for (let deeds = random.below(8); deeds > 0 && present.length > 0; deeds--) {
    const client = random.pick(present);
    if (!survives(() => random.pick(DEEDS)(client, present, random))) leave(client, present);
  }
  if (present.length > 0 && (!mayArrive || present.length >= AT_ONCE || random.chance(0.1))) {
    const leaver = random.pick(present);
    survives(() => random.pick(ENDINGS)(leaver));
    leave(leaver, present);
  }
  return arrives;
}

function becomeMonitor(client: RawClient): void {
  const fields = { ...BUS, interface: 'org.freedesktop.DBus.Monitoring', member: 'BecomeMonitor' };
  client.startCall({ ...fields, signature: 'asu' }, [[], 0]);
}

/** `count` clients come and go; in the middle of it somebody watches. */
function wave(count: number, random: Random): void {
  const present: RawClient[] = [];
  let monitor: RawClient | undefined;
  for (let arrived = 0; arrived < count || present.length > 0;) {
    if (step(present, arrived < count, random)) arrived++;
    if (monitor === undefined && arrived === count / 4) {
      monitor = RawClient.open(bus.address);
      becomeMonitor(monitor);
    }
    if (arrived === count / 2) monitor!.close();
  }
}

/**
 * So many at once that no host takes them all: each has clients that take descriptors, and others. What a host needs to
 * talk with another about either kind is made when it is first needed, and stays.
 */
function crowd(): void {
  const clients = Array.from({ length: CROWD }, (_, i) => RawClient.open(bus.address, i % 2 === 0));
  for (const client of clients) client.close();
}

/** The figures when every host has said all that it had to say. */
function settled(observer: RawClient): Record<string, number> {
  for (const member of ['AddMatch', 'RemoveMatch']) observer.callBus(member, 's', ["member='A'"]);
  return figures(observer);
}

/** The same when everybody has left: they change no more. */
async function atRest(observer: RawClient): Promise<Record<string, number>> {
  let last: Record<string, number> = {};
  for (let same = 0; same < SAME_AT_REST; await new Promise(setImmediate)) {
    const now = settled(observer);
    const hasChanged = now['ActiveConnections'] !== 1 || !isDeepStrictEqual(now, last);
    same = hasChanged ? 0 : same + 1;
    last = now;
  }
  return last;
}

/** A line of the log without its number; of one that says what was left out, what that was. */
function reasonIn(line: string): string {
  return line.replace(/^\d+ similar lines suppressed: /, '').replace(/\d+|…/, 'N');
}

describe.each([1, 2])('on a bus with %d hosts', (hosts) => {
  test(`${CLIENTS} clients leave nothing behind`, async () => {
    const random = seededRandom('LEAKS_SEED', 'leaks');
    bus = await WatchedBus.start({ max_outgoing_bytes: 200_000, auth_timeout: 100_000 }, '', hosts);
    const observer = RawClient.open(bus.address);
    crowd();
    wave(WARM_UP_CLIENTS, random);
    const before = await atRest(observer);
    wave(CLIENTS, random);
    expect(await atRest(observer)).toEqual(before);
    observer.close();
    await bus.stop();
    const told = bus.complaints().map(({ msg }) => reasonIn(msg));
    expect(REASONS).toEqual(expect.arrayContaining(told));
  });
});
