// Ways in which one client, or an unlucky moment, once ended the bus or somebody else's connection.
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { allocateBytes, closeFd, MessageSender, socketPair } from '#core/linux/index.js';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { ROOT } from '../support/bus-command.js';
import type { RawClient } from '../support/raw-client.js';
import { start } from '../support/bus.js';
import { describeWith, needs, PYTHON } from '../support/software.js';
import { connectionFigures, WatchedBus } from '../host/watched-bus.js';

const MIB = 1024 * 1024;

let bus: WatchedBus;

const open = (): RawClient => bus.open();

afterEach(() => bus.stop());

const isAsk = ({ member }: { member?: string | undefined }): boolean => member === 'Ask';

test('a callee dies while a monitor watches: its caller gets NoReply, and the monitor sees that', async () => {
  bus = await WatchedBus.start();
  const [monitor, caller, callee] = [open(), open(), open()];
  const fields = {
    destination: 'org.freedesktop.DBus',
    path: '/org/freedesktop/DBus',
    interface: 'org.freedesktop.DBus.Monitoring',
    member: 'BecomeMonitor',
  };
  monitor.call({ ...fields, signature: 'asu' }, [[], 0]);
  const serial = caller.startCall({ destination: callee.uniqueName, member: 'Ask' });
  callee.receive(isAsk);
  callee.close();
  const noReply = { errorName: 'org.freedesktop.DBus.Error.NoReply', replySerial: serial };
  expect(caller.replyTo(serial)).toMatchObject(noReply);
  expect(
    monitor.receive(
      ({ replySerial, type }) => type === MessageType.Error && replySerial === serial,
    ),
  ).toMatchObject(noReply);
});

test('more descriptors than one sendmsg(2) takes are refused, whatever the limits say', async () => {
  const many = 1000;
  bus = await WatchedBus.start({
    max_message_unix_fds: many,
    max_incoming_unix_fds: many,
    max_outgoing_unix_fds: many,
  });
  const [sender, receiver] = [open(), open()];
  const file = openSync('/dev/null', 'r');
  const message = encodeMessage({
    type: MessageType.MethodCall,
    serial: 77,
    path: '/',
    member: 'Take',
    destination: receiver.uniqueName,
    unixFds: 300,
  });
  sender.send(message.slice(0, 10), Array<number>(200).fill(file));
  sender.send(message.slice(10), Array<number>(100).fill(file));
  closeSync(file);
  sender.readUntilEnd();
  expect((await bus.complaint(() => true)).msg).toContain('more than max_message_unix_fds=253');
  expect(receiver.callBus('GetId')).toHaveLength(1);
});

test('what the bus adds to a message makes none too long for its receiver', async () => {
  bus = await WatchedBus.start({ max_message_size: 128 * MIB });
  const [sender, receiver] = [open(), open()];
  const call = { type: MessageType.MethodCall, serial: 9, path: '/', member: 'M' };
  const message = encodeMessage({ ...call, destination: receiver.uniqueName, signature: 'ay' }, [
    new Uint8Array(8),
  ]);
  const view = new DataView(message.buffer, message.byteOffset);
  const header = message.length - 12;
  view.setUint32(4, 128 * MIB - header, true);
  sender.send(message);
  sender.readUntilEnd();
  const line = await bus.complaint(({ name }) => name === sender.uniqueName);
  expect(line.msg).toContain(`max_message_size=${128 * MIB - 32}`);

  const other = open();
  const longPath = `/${'a'.repeat(64 * MIB - 72)}`;
  other.send(encodeMessage({ ...call, path: longPath, destination: receiver.uniqueName }));
  other.readUntilEnd();
  const second = await bus.complaint(({ name }) => name === other.uniqueName);
  expect(second.msg).toContain('the header fields are longer than 64 MiB');
  expect(receiver.callBus('GetId')).toHaveLength(1);
});

test('a caller with 20,000 calls under way leaves, and its callee owes nothing any more', async () => {
  bus = await WatchedBus.start({}, '<limit name="max_replies_per_connection">50000</limit>');
  const [observer, caller, callee] = [open(), open(), open()];
  observer.callBus('AddMatch', 's', ["member='NameOwnerChanged'"]);
  const owed = (): number | undefined =>
    connectionFigures(observer, callee.uniqueName).get('org.bus1.OwedReplies');
  for (let i = 0; i < 20_000; i++) {
    caller.startCall({ destination: callee.uniqueName, member: 'Ask' });
    if (i % 100 === 99) callee.receiveWaiting();
  }
  caller.callBus('GetId');
  expect(owed()).toBe(20_000);
  caller.close();
  observer.receive(({ body }) => body[0] === caller.uniqueName && body[2] === '');
  expect(owed()).toBe(0);
  expect(callee.callBus('GetId')).toHaveLength(1);
});

test('the last words of a client count, even when it does not hear the answer', async () => {
  bus = await WatchedBus.start();
  const listener = open();
  listener.callBus('AddMatch', 's', ["interface='a.b'"]);
  const [client, caller] = [open(), open()];
  const file = openSync('/dev/null', 'r');
  process.kill(bus.bus.pid, 'SIGSTOP');
  const word = { path: '/', interface: 'a.b', member: 'LastWord', signature: 'u' };
  // The kernel hands out messages with descriptors one at a time: the bus needs as many turns.
  const count = 5;
  for (let i = 0; i < count; i++) client.post(MessageType.Signal, word, [i], [file]);
  const serial = caller.startCall({ destination: client.uniqueName, member: 'Ask' });
  client.close();
  closeSync(file);
  process.kill(bus.bus.pid, 'SIGCONT');
  const words = Array.from({ length: count }, () => listener.receiveSignal('LastWord').body[0]);
  expect(words).toEqual([...words.keys()]);
  expect(caller.replyTo(serial).errorName).toBe('org.freedesktop.DBus.Error.NoReply');
});

/** Sends descriptors of this user's to a socket that nobody reads; returns what is to be closed. */
function putUnderWay(file: number, count: number): readonly [number, number] {
  const pair = socketPair();
  const { address } = allocateBytes(1);
  const messages = new MessageSender();
  messages.begin();
  messages.add(address, 1);
  for (let i = 0; i < count; i++) messages.addFd(file);
  expect(messages.send(pair[0])).toBe(1);
  return pair;
}

const DAEMON = join(ROOT, 'dist/bridge/cli/bus1-dbus-daemon.js');

describeWith(
  [needs('setpriv', 'util-linux'), needs('prlimit', 'util-linux')],
  'a bus without privileges',
  () => {
    test.runIf(process.getuid!() === 0)(
      'waits when the kernel has too many descriptors under way',
      async () => {
        const before = process.env['BUS_UNDER_TEST'];
        const drop = '-sys_resource,-sys_admin';
        const words = ['setpriv', `--bounding-set=${drop}`, `--inh-caps=${drop}`];
        process.env['BUS_UNDER_TEST'] = [...words, process.execPath, DAEMON].join(' ');
        try {
          bus = await WatchedBus.start({ max_outgoing_unix_fds: 10_000 });
        } finally {
          if (before === undefined) delete process.env['BUS_UNDER_TEST'];
          else process.env['BUS_UNDER_TEST'] = before;
        }
        const [sender, receiver, observer] = [open(), open(), open()];
        await bus.limitOpenFiles(150);
        const file = openSync('/dev/null', 'r');
        const underWay = putUnderWay(file, 200);
        const call = { destination: receiver.uniqueName, member: 'Take', flags: 1 };
        sender.startCall(call, [], [file]);
        sender.callBus('GetId');
        const waiting = connectionFigures(observer, receiver.uniqueName);
        expect(waiting.get('OutgoingFDs')).toBe(1);
        for (const fd of underWay) closeFd(fd);
        receiver.receive(({ member }) => member === 'Take');
        expect(receiver.descriptors).toHaveLength(1);
        closeSync(file);
        expect(bus.complaints()).toEqual([]);
      },
    );
  },
);

describeWith([needs(PYTHON, 'python3')], 'a socket whose last close waits (SO_LINGER)', () => {
  test.each([
    'before authentication',
    'in half a message',
    'in a message',
    'after an invalid message',
    'as urgent data',
    'to a socket in a message',
    'to a listening socket in a message',
  ])('delays nobody else: sent %s', async (when) => {
    bus = await WatchedBus.start();
    const other = open();
    const before = bus.openDescriptors();
    const path = /^unix:path=([^,]*)/.exec(bus.address)![1];
    const script = join(ROOT, 'test/regress/lingering.py');
    const program = start(PYTHON, [script, path, when], { env: bus.bus.env });
    try {
      await program.waitForLine(/sent/);
      await bus.descriptorsAtMost(before + 1);
      expect(other.callBus('GetId')).toHaveLength(1);
    } finally {
      program.end();
      await program.ended;
    }
  });
});
