// Every limit of the configuration, set low: who goes over it is refused with an error that names
// it, the others do not notice, and when something is given back, things go on.
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import { openFolder } from '../support/bus-command.js';
import { sessionConfig, startBus } from '../support/bus.js';
import { ErrorReply, RawClient } from '../support/raw-client.js';
import { busFigures, connectionFigures, WatchedBus } from './watched-bus.js';

const LIMITS_EXCEEDED = 'org.freedesktop.DBus.Error.LimitsExceeded';

let bus: WatchedBus;
let clients: RawClient[] = [];

const start = async (limits: Record<string, number>): Promise<void> => {
  bus = await WatchedBus.start(limits);
};

function open(unixFds = true): RawClient {
  const client = RawClient.open(bus.address, unixFds);
  clients.push(client);
  return client;
}

/** A connection that has authenticated only. */
function arrive(): RawClient {
  const client = new RawClient(bus.address).authenticate();
  clients.push(client);
  return client;
}

afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  await bus.stop();
});

/** The error that a call ends with. */
function errorOf(action: () => unknown): { errorName: string; message: string } {
  try {
    action();
  } catch (error) {
    if (error instanceof ErrorReply) return error;
    throw error;
  }
  throw new Error('this was not refused');
}

/** The error that names this limit. */
function exceeds(limit: string): object {
  return { errorName: LIMITS_EXCEEDED, message: expect.stringContaining(limit) };
}

describe('things that a connection may have a number of', () => {
  const rule = (index: number): unknown[] => [`type='signal',member='M${index}'`];
  const name = (index: number): string => `org.example.Limit${index}`;
  /**
   * The limit, how many of its things there can be besides what each connection has, how to take
   * and give back one.
   */
  const COUNTED: [
    string,
    number,
    number,
    (c: RawClient, i: number) => void,
    (c: RawClient, i: number) => void,
  ][] = [
    [
      'max_match_rules_per_connection',
      3,
      3,
      (client, i) => client.callBus('AddMatch', 's', rule(i)),
      (client, i) => client.callBus('RemoveMatch', 's', rule(i)),
    ],
    [
      // The unique name counts, as in dbus-daemon.
      'max_names_per_connection',
      3,
      2,
      (client, i) => client.callBus('RequestName', 'su', [name(i), 0]),
      (client, i) => client.callBus('ReleaseName', 's', [name(i)]),
    ],
  ];

  test.each(COUNTED)('%s=%d', async (limit, value, possible, take, giveBack) => {
    await start({ [limit]: value });
    const [client, other] = [open(), open()];
    for (let i = 0; i < possible; i++) take(client, i);
    expect(errorOf(() => take(client, possible))).toMatchObject(exceeds(`${limit}=${value}`));
    expect(errorOf(() => take(client, possible))).toMatchObject(exceeds(`${limit}=${value}`));
    take(other, possible);
    giveBack(client, 0);
    take(client, possible + 1);
    expect(errorOf(() => take(client, possible + 2))).toMatchObject(exceeds(`${limit}=${value}`));
  });

  test('max_replies_per_connection=2', async () => {
    await start({ max_replies_per_connection: 2 });
    const [caller, other, service] = [open(), open(), open()];
    const ask = (from: RawClient): number =>
      from.startCall({ destination: service.uniqueName, member: 'Ask' });
    const [first] = [ask(caller), ask(caller)];
    expect(caller.replyTo(ask(caller))).toMatchObject({
      errorName: LIMITS_EXCEEDED,
      body: [expect.stringContaining('max_replies_per_connection=2')],
    });
    const others = ask(other);
    const calls = [1, 2, 3].map(() => service.receive(({ member }) => member === 'Ask'));
    service.reply(calls[0], 's', ['first']);
    service.reply(calls[2], 's', ['other']);
    expect(caller.replyTo(first).body).toEqual(['first']);
    expect(other.replyTo(others).body).toEqual(['other']);
    const fourth = ask(caller);
    service.reply(
      service.receive(({ member }) => member === 'Ask'),
      's',
      ['fourth'],
    );
    expect(caller.replyTo(fourth).body).toEqual(['fourth']);
  });
});

describe('connections', () => {
  test.each(['max_completed_connections', 'max_connections_per_user'])('%s=2', async (limit) => {
    await start({ [limit]: 2 });
    const [first, second] = [open(), open()];
    const third = arrive();
    expect(errorOf(() => third.callBus('Hello'))).toMatchObject(exceeds(`${limit}=2`));
    first.callBus('AddMatch', 's', ["member='NameOwnerChanged'"]);
    second.close();
    first.receiveSignal('NameOwnerChanged');
    expect(third.callBus('Hello')).toEqual([':1.2']);
    expect(first.callBus('NameHasOwner', 's', [':1.2'])).toEqual([true]);
  });

  test('max_incomplete_connections=2: the next waits in the kernel', async () => {
    await start({ max_incomplete_connections: 2 });
    const established = open();
    const [first, second] = [new RawClient(bus.address), arrive()];
    clients.push(first);
    const third = new RawClient(bus.address);
    clients.push(third);
    third.send(Buffer.from('\0AUTH\r\n'));
    while (busFigures(established).get('IncompleteConnections') !== 2);
    expect(third.hasInput).toBe(false);
    second.callBus('Hello');
    expect(third.receiveLine()).toMatch(/^REJECTED EXTERNAL/);
    first.close();
    open();
  });

  test('auth_timeout: who hangs around gives way to the next', async () => {
    await start({ auth_timeout: 200, max_incomplete_connections: 1 });
    const idle = new RawClient(bus.address);
    clients.push(idle);
    open();
    idle.readUntilEnd();
    expect((await bus.complaint(() => true)).msg).toBe(
      'connection refused: it did not authenticate within auth_timeout=200 ms',
    );
  });

  test('a reload changes how many may wait', async () => {
    const folder = openFolder('limits-');
    const config = join(folder, 'bus.conf');
    const write = (limit: number): void => {
      const more = `<limit name="max_incomplete_connections">${limit}</limit>`;
      writeFileSync(config, sessionConfig(`unix:path=${folder}/bus`, more));
    };
    write(2);
    bus = WatchedBus.of(await startBus({ config }));
    const established = open();
    const waiting = [1, 2, 3, 4].map(() => new RawClient(bus.address));
    clients.push(...waiting);
    while (busFigures(established).get('IncompleteConnections') !== 2);
    for (const [limit, incomplete] of [
      [3, 3],
      [1, 3],
      [4, 4],
    ] as const) {
      write(limit);
      established.callBus('ReloadConfig');
      waiting[0].send(Uint8Array.of(0));
      while (busFigures(established).get('IncompleteConnections') !== incomplete);
    }
    waiting[0].close();
    expect(open().callBus('GetId')).toEqual(established.callBus('GetId'));
    rmSync(folder, { recursive: true });
  });

  test('RLIMIT_NOFILE: who connects waits until somebody leaves', async () => {
    await start({});
    const [caller, service] = [open(), open()];
    await bus.limitOpenFiles(bus.openDescriptors() + 4);
    const crowd = Array.from({ length: 12 }, () => new RawClient(bus.address));
    const line = await bus.complaint(({ level }) => level === 'error');
    expect(line).toMatchObject({ msg: 'cannot accept connections for now', error: 'EMFILE' });
    const serial = caller.startCall({ destination: service.uniqueName, member: 'Ask' });
    service.reply(service.receive(({ member }) => member === 'Ask'));
    expect(caller.replyTo(serial).type).toBe(MessageType.MethodReturn);
    for (const client of crowd) client.close();
    open();
    expect(bus.complaints()).toHaveLength(1);
  });
});

describe('messages', () => {
  const SIZE = 10_000;

  /** A call of `lengthBytes` bytes in all, without a reply. */
  function messageOf(lengthBytes: number, destination: string): Uint8Array {
    const encode = (bodyBytes: number): Uint8Array =>
      encodeMessage(
        {
          type: MessageType.MethodCall,
          flags: MessageFlag.NoReplyExpected,
          serial: 1000,
          path: '/',
          member: 'Big',
          destination,
          signature: 'ay',
        },
        [new Uint8Array(bodyBytes)],
      );
    return encode(lengthBytes - encode(0).length);
  }

  test('max_message_size: that much and no more', async () => {
    await start({ max_message_size: SIZE });
    const [sender, receiver] = [open(), open()];
    sender.send(messageOf(SIZE, receiver.uniqueName));
    const { body } = receiver.receive(({ member }) => member === 'Big');
    expect(body[0]).toBeInstanceOf(Uint8Array);
    sender.send(messageOf(SIZE + 1, receiver.uniqueName));
    sender.receiveUntilEnd();
    expect((await bus.complaint(() => true)).msg).toContain(`max_message_size=${SIZE}`);
    expect(receiver.callBus('GetId')).toHaveLength(1);
  });

  test('max_incoming_bytes: a message is never kept from its receiver by it', async () => {
    // In dbus-daemon, too, one message may be larger; here no more than one is ever on its way in.
    await start({ max_incoming_bytes: 1 });
    const [sender, receiver] = [open(), open()];
    const big = messageOf(SIZE, receiver.uniqueName);
    sender.send(Buffer.concat([big, big, big.slice(0, 100)]));
    for (let i = 0; i < 2; i++) receiver.receive(({ member }) => member === 'Big');
    const figures = connectionFigures(receiver, sender.uniqueName);
    expect(figures.get('IncomingBytes')).toBe(100);
    sender.send(big.slice(100));
    receiver.receive(({ member }) => member === 'Big');
  });

  test('max_message_unix_fds: that many and no more', async () => {
    await start({ max_message_unix_fds: 2 });
    const [sender, receiver] = [open(), open()];
    const fd = openSync('/dev/null', 'r');
    const call = { destination: receiver.uniqueName, member: 'Take' };
    sender.startCall(call, [], [fd, fd]);
    expect(receiver.receive(({ member }) => member === 'Take').unixFds).toBe(2);
    expect(receiver.descriptors).toHaveLength(2);
    sender.startCall(call, [], [fd, fd, fd]);
    closeSync(fd);
    sender.receiveUntilEnd();
    expect((await bus.complaint(() => true)).msg).toContain('max_message_unix_fds=2');
    expect(receiver.callBus('GetId')).toHaveLength(1);
  });

  test('pending_fd_timeout: descriptors do not wait for ever for their message', async () => {
    await start({ pending_fd_timeout: 200 });
    const [slow, dead, receiver] = [open(), open(), open()];
    const fd = openSync('/dev/null', 'r');
    const before = bus.openDescriptors();
    const message = encodeMessage({
      type: MessageType.MethodCall,
      serial: 50,
      path: '/',
      member: 'Take',
      destination: receiver.uniqueName,
      unixFds: 1,
    });
    slow.send(message.slice(0, 40), [fd]);
    dead.send(message.slice(0, 40), [fd]);
    slow.send(message.slice(40));
    receiver.receive(({ member }) => member === 'Take');
    dead.receiveUntilEnd();
    closeSync(fd);
    expect(await bus.complaint(() => true)).toMatchObject({
      name: dead.uniqueName,
      msg: expect.stringContaining('pending_fd_timeout=200'),
    });
    expect(slow.callBus('GetId')).toHaveLength(1);
    await bus.descriptorsAtMost(before - 1);
  });

  test('reply_timeout: the bus itself ends the wait', async () => {
    await start({ reply_timeout: 100 });
    const [caller, service] = [open(), open()];
    const ask = (): number => caller.startCall({ destination: service.uniqueName, member: 'Ask' });
    const serial = ask();
    const late = service.receive(({ member }) => member === 'Ask');
    expect(caller.replyTo(serial)).toMatchObject({
      errorName: 'org.freedesktop.DBus.Error.NoReply',
      body: ['Message did not receive a reply (timeout by message bus)'],
    });
    service.reply(late);
    expect(service.receive(({ type }) => type === MessageType.Error).errorName).toBe(
      'org.freedesktop.DBus.Error.AccessDenied',
    );
    const next = ask();
    service.reply(service.receive(({ member }) => member === 'Ask'));
    expect(caller.replyTo(next).type).toBe(MessageType.MethodReturn);
  });
});

describe('what waits for a client that does not read', () => {
  const MAX_BYTES = 300_000;
  const MAX_FDS = 8;
  let sender: RawClient;
  let sleeper: RawClient;
  let fd: number;
  beforeEach(async () => {
    await start({ max_outgoing_bytes: MAX_BYTES, max_outgoing_unix_fds: MAX_FDS });
    [sender, sleeper] = [open(), open()];
    fd = openSync('/dev/null', 'r');
  });
  afterEach(() => closeSync(fd));

  /**
   * Sends to the sleeper until the bus refuses; returns how many were taken and why there were no
   * more.
   */
  function fill(payload: Uint8Array, fds: readonly number[]): { sent: number; reason: string } {
    for (let sent = 0; ; sent++) {
      const call = { destination: sleeper.uniqueName, member: 'Fill', signature: 'uay', flags: 1 };
      const serial = sender.startCall(call, [sent, payload], fds);
      sender.callBus('GetId');
      const refusal = sender.receiveWaiting().find((message) => message.replySerial === serial);
      if (refusal !== undefined) return { sent, reason: String(refusal.body[0]) };
    }
  }

  function expectInOrder(count: number): void {
    const numbers = Array.from({ length: count }, () => {
      return sleeper.receive(({ member }) => member === 'Fill').body[0];
    });
    expect(numbers).toEqual([...numbers.keys()]);
  }

  function expectOthersGoOn(): void {
    const other = open();
    const serial = sender.startCall({ destination: other.uniqueName, member: 'Ask' });
    other.reply(other.receive(({ member }) => member === 'Ask'));
    expect(sender.replyTo(serial).type).toBe(MessageType.MethodReturn);
  }

  test(`max_outgoing_bytes=${MAX_BYTES}`, async () => {
    const { sent, reason } = fill(new Uint8Array(10_000), []);
    expect(reason).toContain(`max_outgoing_bytes=${MAX_BYTES}`);
    const waiting = connectionFigures(sender, sleeper.uniqueName).get('OutgoingBytes')!;
    expect(waiting).toBeGreaterThan(MAX_BYTES);
    expect(waiting).toBeLessThan(MAX_BYTES + 11_000);
    expectOthersGoOn();
    expect(await bus.complaint(() => true)).toMatchObject({
      level: 'notice',
      sender: sender.uniqueName,
      uid: process.getuid!(),
      program: process.execPath,
      name: sleeper.uniqueName,
      msg: `messages are refused: a client does not read (max_outgoing_bytes=${MAX_BYTES})`,
    });
    expectInOrder(sent);
    expect(fill(new Uint8Array(10_000), []).sent).toBeGreaterThan(0);
    expect(bus.complaints()).toHaveLength(1);
  });

  test(`max_outgoing_unix_fds=${MAX_FDS}`, async () => {
    const before = bus.openDescriptors();
    // The socket itself takes some 200 KiB before anything waits on the bus.
    const { sent, reason } = fill(new Uint8Array(30_000), [fd, fd]);
    expect(reason).toContain(`max_outgoing_unix_fds=${MAX_FDS}`);
    expect(connectionFigures(sender, sleeper.uniqueName).get('OutgoingFDs')).toBe(MAX_FDS + 2);
    expectOthersGoOn();
    expectInOrder(sent);
    expect(sleeper.descriptors).toHaveLength(2 * sent);
    // `other` has a socket.
    await bus.descriptorsAtMost(before + 1);
    expect(fill(new Uint8Array(30_000), [fd]).sent).toBeGreaterThan(0);
  });

  test.each([
    ['errors', { path: '/', member: 'M', destination: 'org.example.Nobody' }],
    ['answers as a peer', { path: '/', member: 'Ping', interface: 'org.freedesktop.DBus.Peer' }],
  ])(
    'its own %s: who provokes them without end and does not read is disconnected',
    async (_, call) => {
      const calls = Buffer.concat(
        Array.from({ length: 1000 }, (_, index) =>
          encodeMessage({ type: MessageType.MethodCall, serial: index + 10, ...call }),
        ),
      );
      expect(() => {
        for (;;) sleeper.send(calls);
      }).toThrow('cannot send: EPIPE');
      const line = await bus.complaint(({ msg }) => msg.startsWith('connection closed'));
      expect(line).toMatchObject({
        name: sleeper.uniqueName,
        msg: expect.stringContaining(`does not read the bus's replies`),
      });
      expectOthersGoOn();
    },
  );
});
