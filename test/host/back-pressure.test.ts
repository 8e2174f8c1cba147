// Some read slowly or not at all, others send without end: memory stays within the limits,
// everybody else goes on, and in the end all is given back. Everything is counted, nothing is
// timed.
import { closeSync, openSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import type { RawClient } from '../support/raw-client.js';
import { Bystanders, busFigures, connectionFigures, WatchedBus } from './watched-bus.js';

const MIB = 1024 * 1024;

let bus: WatchedBus;

const open = (): RawClient => bus.open();

afterEach(() => bus.stop());

interface Batch {
  bytes: Uint8Array;
  count: number;
}

/** `count` calls without reply, one behind the other; each has its number as first argument. */
function batchOf(destination: string, count: number, bodyBytes: number, from = 0): Batch {
  const flags = MessageFlag.NoReplyExpected;
  const fields = { type: MessageType.MethodCall, flags, path: '/', member: 'Flood', destination };
  const body = new Uint8Array(bodyBytes);
  const calls = Array.from({ length: count }, (_, i) =>
    encodeMessage({ ...fields, serial: 1_000_000 + from + i, signature: 'uay' }, [from + i, body]),
  );
  return { bytes: Buffer.concat(calls), count };
}

const isFlood = ({ member }: { member?: string | undefined }): boolean => member === 'Flood';

/** Floods, reading refusals all the while; returns how many there were of each kind. */
function flood(client: RawClient, batch: Batch, times: number): Map<string, number> {
  const refusals = new Map<string, number>();
  for (let i = 0; i < times; i++) {
    client.send(batch.bytes);
    client.callBus('GetId');
    for (const { errorName, type } of client.receiveWaiting()) {
      if (type !== MessageType.Error) continue;
      refusals.set(errorName!, (refusals.get(errorName!) ?? 0) + 1);
    }
  }
  return refusals;
}

/** What must be as it was when everybody has left or read everything. */
const RETURNING = ['Charged', 'Nodes', 'Handles', 'Peers'].map((key) => `org.bus1.Core.${key}`);

function returning(client: RawClient): Record<string, number | undefined> {
  const figures = busFigures(client);
  const keys = [...RETURNING, 'org.bus1.Arena.UsedBytes'];
  return Object.fromEntries(keys.map((key) => [key, figures.get(key)]));
}

/** Whoever has sent to a name may go on sending, and is charged for that. */
function oneMoreHandle(before: Record<string, number | undefined>): Record<string, number> {
  const keys = ['org.bus1.Core.Handles', 'org.bus1.Core.Charged'];
  return Object.fromEntries(keys.map((key) => [key, before[key]! + 1]));
}

describe('a client that never reads', () => {
  const MAX_BYTES = 4 * MIB;
  const LIMITS = { max_outgoing_bytes: MAX_BYTES };

  test.each([
    ['300,000 small messages', 3000, 100, 100],
    ['48 messages of 1 MiB', 4, MIB, 12],
  ])('%s for it', async (_, count, bodyBytes, times) => {
    bus = await WatchedBus.start(LIMITS);
    const [observer, flooder] = [open(), open()];
    const before = returning(observer);
    const bystanders = await Bystanders.start(bus);
    const blackHole = open();
    const batch = batchOf(blackHole.uniqueName, count, bodyBytes);

    const refusals = flood(flooder, batch, times);
    expect([...refusals.keys()]).toEqual(['org.freedesktop.DBus.Error.LimitsExceeded']);

    const waiting = connectionFigures(observer, blackHole.uniqueName);
    expect(waiting.get('OutgoingBytes')).toBeGreaterThan(MAX_BYTES);
    expect(waiting.get('OutgoingBytes')).toBeLessThan(MAX_BYTES + bodyBytes + 200);
    const figures = busFigures(observer);
    // Blocks of the arena are powers of two, and bodies that were not copied lie outside.
    expect(figures.get('org.bus1.Arena.UsedBytes')).toBeLessThan(2 * MAX_BYTES + MIB);
    // The sender's claim keeps as much again in reserve.
    expect(figures.get('org.bus1.Core.Charged')).toBeLessThan(3 * MAX_BYTES + bodyBytes);

    const { asked, answered } = await bystanders.finish();
    expect(answered).toBe(asked);
    blackHole.close();
    while (busFigures(observer).get('org.bus1.Core.Peers') !== before['org.bus1.Core.Peers']);
    // The flooder keeps nothing either: its handle to the name has died with it.
    expect(returning(observer)).toEqual(before);
  });

  test('and then does: it gets all that was accepted, in order, and memory comes back', async () => {
    bus = await WatchedBus.start(LIMITS);
    const [observer, flooder, sleeper] = [open(), open(), open()];
    const before = returning(observer);
    const times = 20;
    let refused = 0;
    for (let i = 0; i < times; i++) {
      const batch = batchOf(sleeper.uniqueName, 2000, 200, i * 2000);
      for (const number of flood(flooder, batch, 1).values()) refused += number;
    }
    expect(refused).toBeGreaterThan(0);
    const accepted = 2000 * times - refused;
    for (let last = -1, got = 0; got < accepted; got++) {
      const number = Number(sleeper.receive(isFlood).body[0]);
      expect(number).toBeGreaterThan(last);
      last = number;
    }
    expect(connectionFigures(observer, sleeper.uniqueName).get('OutgoingBytes')).toBe(0);
    expect(returning(observer)).toEqual({
      ...before,
      ...oneMoreHandle(before),
    });
    expect(flood(flooder, batchOf(sleeper.uniqueName, 10, 200), 1)).toEqual(new Map());
  });

  describe.each([1, 2])('of a bus with %d hosts', (hosts) => {
    const NAME = 'org.example.Held';
    const ASK = { destination: NAME, member: 'Ask' };

    /** Until `sleeper` has all that may wait for it. */
    async function fillUp(flooder: RawClient, sleeper: RawClient): Promise<void> {
      flood(flooder, batchOf(sleeper.uniqueName, 4, MIB), 4);
      await bus.complaint(({ msg }) => msg.startsWith('messages are refused'));
    }

    function answerAll(owner: RawClient): void {
      for (const message of owner.receiveWaiting()) {
        if (message.type === MessageType.MethodCall) owner.reply(message);
      }
    }

    /** What a caller is told: 'answered' by `owner`, or the error. */
    function outcome(caller: RawClient, owner: RawClient, serial = caller.startCall(ASK)): string {
      const isOver = ({ replySerial }: { replySerial?: number | undefined }): boolean =>
        replySerial === serial;
      for (;;) {
        const reply = caller.receiveWaiting().find(isOver);
        if (reply !== undefined) return reply.errorName ?? 'answered';
        answerAll(owner);
      }
    }

    test('it loses a name, gets it back, and has it when it reads again', async () => {
      bus = await WatchedBus.start(LIMITS, '', hosts);
      const [flooder, sleeper, successor, ...callers] = [open(), open(), open(), open(), open()];
      const ALLOW_REPLACEMENT = 1;
      const REPLACE_EXISTING = 2;
      sleeper.callBus('RequestName', 'su', [NAME, ALLOW_REPLACEMENT]);
      expect(outcome(callers[0], sleeper)).toBe('answered');
      await fillUp(flooder, sleeper);

      successor.callBus('RequestName', 'su', [NAME, REPLACE_EXISTING]);
      for (const caller of callers) expect(outcome(caller, successor)).toBe('answered');

      successor.callBus('ReleaseName', 's', [NAME]);
      /* the flooder has used up its own share: a call of somebody else has room, and waits until it reads */
      const waiting = callers.map((caller) => {
        expect(caller.callBus('GetNameOwner', 's', [NAME])).toEqual([sleeper.uniqueName]);
        return { caller, serial: caller.startCall(ASK) };
      });
      for (const { caller, serial } of waiting) {
        expect(outcome(caller, sleeper, serial)).toBe('answered');
      }
      for (const caller of callers) expect(outcome(caller, sleeper)).toBe('answered');
    });

    test('it can send to a name for the first time', async () => {
      bus = await WatchedBus.start(LIMITS, '', hosts);
      const [flooder, sleeper, service] = [open(), open(), open()];
      service.callBus('RequestName', 'su', [NAME, 0]);
      await fillUp(flooder, sleeper);
      sleeper.startCall(ASK);
      expect(service.receive(({ member }) => member === 'Ask').sender).toBe(sleeper.uniqueName);
    });
  });

  test('its subscriptions cost it its own copies, and nobody else theirs', async () => {
    bus = await WatchedBus.start({ max_outgoing_bytes: MIB });
    const [emitter, reader, sleeper] = [open(), open(), open()];
    for (const each of [reader, sleeper]) each.callBus('AddMatch', 's', ["interface='a.b'"]);
    const signal = { path: '/', interface: 'a.b', member: 'Flood', signature: 'uay' };
    const count = 60;
    for (let i = 0; i < count; i++) {
      emitter.post(MessageType.Signal, signal, [i, new Uint8Array(50_000)]);
      expect(reader.receive(isFlood).body[0]).toBe(i);
    }
    emitter.callBus('GetId');
    expect(emitter.receiveWaiting().map(({ member }) => member)).toEqual(['NameAcquired']);
    const got: unknown[] = [];
    while (connectionFigures(emitter, sleeper.uniqueName).get('OutgoingBytes') !== 0) {
      got.push(...sleeper.receiveWaiting().filter(isFlood));
    }
    got.push(...sleeper.receiveWaiting().filter(isFlood));
    const missed = count - got.length;
    expect(missed).toBeGreaterThan(0);
    emitter.post(MessageType.Signal, { ...signal, member: 'Again' }, [0, new Uint8Array(1)]);
    sleeper.receiveSignal('Again');
  });

  test('a reply that its caller has no room for ends in NoReply', async () => {
    bus = await WatchedBus.start({ max_outgoing_bytes: 100_000 });
    const [caller, service, flooder] = [open(), open(), open()];
    const serial = caller.startCall({ destination: service.uniqueName, member: 'Ask' });
    const call = service.receive(({ member }) => member === 'Ask');
    flood(flooder, batchOf(caller.uniqueName, 50, 10_000), 1);
    service.reply(call, 's', ['too late']);
    expect(service.receive(({ type }) => type === MessageType.Error)).toMatchObject({
      errorName: 'org.freedesktop.DBus.Error.LimitsExceeded',
      body: [expect.stringContaining('max_outgoing_bytes=100000')],
    });
    expect(caller.replyTo(serial).errorName).toBe('org.freedesktop.DBus.Error.NoReply');
    expect(connectionFigures(service, caller.uniqueName).get('org.bus1.PendingCalls')).toBe(0);
  });
});

describe('bytes in pieces', () => {
  test('a client that reads one byte at a time gets every one of them', async () => {
    bus = await WatchedBus.start();
    const [sender, reader] = [open(), open()];
    const { bytes, count } = batchOf(reader.uniqueName, 400, 1000);
    sender.send(bytes);
    sender.callBus('GetId');
    // More waits than the socket takes: the bus writes in pieces, whatever the client reads in.
    expect(connectionFigures(sender, reader.uniqueName).get('OutgoingBytes')).toBeGreaterThan(0);
    for (let i = 0; i < 3000; i++) reader.read(1);
    const numbers = Array.from({ length: count }, () => reader.receive(isFlood).body[0]);
    expect(numbers).toEqual([...numbers.keys()]);
  });

  test('a reader that is never quite through is not charged for what it has read', async () => {
    // All that may wait for this user: four times 600,000 bytes, of which one sender gets half.
    bus = await WatchedBus.start({ max_outgoing_bytes: 600_000, max_connections_per_user: 4 });
    const [sender, reader] = [open(), open()];
    // More than socket and reader hold, and less than may wait.
    const ahead = 45;
    sender.send(batchOf(reader.uniqueName, ahead, 10_000).bytes);
    for (let i = ahead; i < 500; i++) {
      sender.send(batchOf(reader.uniqueName, 1, 10_000, i).bytes);
      expect(reader.receive(isFlood).body[0]).toBe(i - ahead);
    }
    sender.callBus('GetId');
    expect(connectionFigures(sender, reader.uniqueName).get('OutgoingBytes')).toBeGreaterThan(0);
    expect(sender.receiveWaiting().map(({ member }) => member)).toEqual(['NameAcquired']);
  });

  test('messages of many senders in one turn keep their contents', async () => {
    bus = await WatchedBus.start();
    const receiver = open();
    const senders = Array.from({ length: 6 }, open);
    const sizes = [10, 5000, 20_000, 100_000, 200_000, 700_000];
    const bodies = sizes.map((size, i) => Buffer.alloc(size, 65 + i).toString());
    const rounds = 20;
    for (let round = 0; round < rounds; round++) {
      const bytes = bodies.map((_, i) =>
        encodeMessage(
          {
            type: MessageType.MethodCall,
            flags: MessageFlag.NoReplyExpected,
            serial: 100 + round,
            path: '/',
            member: 'Flood',
            destination: receiver.uniqueName,
            signature: 's',
          },
          [bodies[(i + round) % bodies.length]],
        ),
      );
      let left = bytes.map((each, i) => ({ each, sender: senders[i], sent: 0 }));
      while (left.length > 0) {
        for (const piece of left) piece.sent += piece.sender.trySend(piece.each, piece.sent);
        left = left.filter(({ each, sent }) => sent < each.length);
      }
      const got = bodies.map(() => String(receiver.receive(isFlood).body[0]));
      expect(got.toSorted()).toEqual(bodies.toSorted());
    }
  });

  test('128 MiB go through where the configuration lets them', async () => {
    bus = await WatchedBus.start({
      max_message_size: 128 * MIB,
      max_incoming_bytes: 1000 * MIB,
      max_outgoing_bytes: 1000 * MIB,
    });
    const [sender, receiver] = [open(), open()];
    const before = returning(sender);
    const encode = (parts: Uint8Array[]): Uint8Array =>
      encodeMessage(
        {
          type: MessageType.MethodCall,
          flags: MessageFlag.NoReplyExpected,
          serial: 100,
          path: '/',
          member: 'Flood',
          destination: receiver.uniqueName,
          signature: 'ayay',
        },
        parts,
      );
    const overhead = encode([new Uint8Array(64 * MIB), new Uint8Array(0)]).length - 64 * MIB;
    // The bus adds who sent it.
    const room = 64 * MIB - overhead - 32;
    const bytes = encode([new Uint8Array(64 * MIB).fill(1), new Uint8Array(room).fill(2)]);
    for (let sent = 0; sent < bytes.length;) {
      sent += sender.trySend(bytes.subarray(sent, sent + MIB));
      while (receiver.hasInput) receiver.read(MIB);
    }
    const { body } = receiver.receive(isFlood);
    const [first, second] = body as [Uint8Array, Uint8Array];
    expect([first.length, first[0], first.at(-1)]).toEqual([64 * MIB, 1, 1]);
    expect([second.length, second[0], second.at(-1)]).toEqual([room, 2, 2]);
    expect(returning(sender)).toEqual({ ...before, ...oneMoreHandle(before) });
  });

  test('who announces 128 MiB and sends nothing gets no memory for them', async () => {
    bus = await WatchedBus.start({ max_message_size: 128 * MIB });
    const observer = open();
    const header = encodeMessage(
      { type: MessageType.MethodCall, serial: 1, path: '/', member: 'M', signature: 'ay' },
      [new Uint8Array(100)],
    ).slice(0, 100);
    new DataView(header.buffer).setUint32(4, 120 * MIB, true);
    for (let i = 0; i < 100; i++) open().send(header);
    expect(observer.callBus('GetId')).toHaveLength(1);
    expect(bus.residentBytes()).toBeLessThan(400 * MIB);
  });
});

test('a flood does not starve others', async () => {
  bus = await WatchedBus.start();
  const [flooder, sink, caller, service] = [open(), open(), open(), open()];
  const batch = batchOf(sink.uniqueName, 1000, 100);
  const calls = 100;
  let flooded = 0;
  for (let i = 0; i < calls; i++) {
    // The flooder's socket is full whenever the call starts: its bytes wait before ours.
    flooded += flooder.fillUp(batch.bytes);
    const serial = caller.startCall({ destination: service.uniqueName, member: 'Ask' });
    service.reply(service.receive(({ member }) => member === 'Ask'));
    expect(caller.replyTo(serial).type).toBe(MessageType.MethodReturn);
    sink.receiveWaiting();
  }
  expect(flooded).toBeGreaterThan(calls * 100);
});

test('64 messages with 16 descriptors each arrive in order, and none stays behind', async () => {
  bus = await WatchedBus.start({ max_outgoing_unix_fds: 2000 });
  const [sender, receiver] = [open(), open()];
  const files = ['/dev/null', '/dev/zero'].map((path) => openSync(path, 'r'));
  const before = bus.openDescriptors();
  for (let i = 0; i < 64; i++) {
    const fds = Array.from({ length: 16 }, (_, bit) => files[(i >> (bit % 6)) & 1]);
    const call = { destination: receiver.uniqueName, member: 'Flood', signature: 'u', flags: 1 };
    sender.startCall(call, [i], fds);
  }
  for (let i = 0; i < 64; i++) {
    expect(receiver.receive(isFlood).body[0]).toBe(i);
    const targets = receiver.takeDescriptors(16);
    const expected = Array.from(
      { length: 16 },
      (_, bit) => ['/dev/null', '/dev/zero'][(i >> (bit % 6)) & 1],
    );
    expect(targets).toEqual(expected);
  }
  sender.callBus('GetId');
  expect(receiver.descriptors).toEqual([]);
  expect(bus.openDescriptors()).toBe(before);
  for (const file of files) closeSync(file);
});
