// What a bridge does that no proxy can: it serves the clients of a sandbox itself.
import { closeSync, existsSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { closeFd, listenUnix, socketPair } from '#core/linux/index.js';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { openFolder } from '../support/bus-command.js';
import { sessionConfig, startBus, type RunningBus } from '../support/bus.js';
import { run } from '../support/process.js';
import { RawClient } from '../support/raw-client.js';
import { Front } from './front.js';

const BUS = 'org.freedesktop.DBus';
const SERVICE = 'org.example.Service';
const LISTEN = {
  destination: BUS,
  path: '/org/freedesktop/DBus',
  interface: 'org.bus1.Sandbox',
  member: 'Listen',
  signature: 'hhas',
};

let bus: RunningBus;
let outside: RawClient;

function descriptorsOf({ pid }: RunningBus): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function connect(address: string): RawClient {
  const client = new RawClient(address).authenticate();
  client.callBus('Hello');
  return client;
}

beforeAll(async () => {
  bus = await startBus();
  outside = connect(bus.address);
  outside.callBus('RequestName', 'su', [SERVICE, 0]);
});

afterAll(async () => {
  outside.close();
  await bus.stop();
});

describe('a client of a sandbox', () => {
  let front: Front;

  beforeAll(async () => {
    front = await Front.start('bus1-bridge sandbox', bus, [[`--talk=${SERVICE}`]]);
  });

  afterAll(() => front.stop());

  test('is known by its own credentials, not by those of something between', () => {
    const client = new RawClient(`unix:path=${front.paths[0]}`).authenticate();
    const [name] = client.callBus('Hello');
    expect(outside.callBus('GetConnectionUnixProcessID', 's', [name])).toEqual([process.pid]);
    client.close();
  });

  test('that reads nothing keeps nobody waiting', () => {
    const client = new RawClient(`unix:path=${front.paths[0]}`).authenticate();
    const [name] = client.callBus('Hello');
    const signal = {
      path: '/',
      interface: 'org.example.I',
      member: 'S',
      destination: String(name),
    };
    const text = 'x'.repeat(100_000);
    for (let i = 0; i < 50; i++) {
      outside.post(MessageType.Signal, { ...signal, signature: 's' }, [text]);
    }
    for (let i = 0; i < 50; i++) outside.callBus('GetId');
    client.callBus('GetId');
    expect(client.receiveWaiting().filter(({ member }) => member === 'S')).toHaveLength(50);
    client.close();
  });

  test('gets short messages, long ones and descriptors in the order in which they were sent', () => {
    const client = new RawClient(`unix:path=${front.paths[0]}`).authenticate();
    const [name] = client.callBus('Hello');
    const fields = {
      path: '/',
      interface: 'org.example.I',
      member: 'S',
      destination: String(name),
    };
    const fd = openSync('/dev/null', 'r');
    const lengths = Array.from({ length: 400 }, (_, i) => (i % 4 === 0 ? 100 : 17_000) + i);
    for (const [index, length] of lengths.entries()) {
      const fds = index % 9 === 0 ? [fd] : [];
      const signature = fds.length === 0 ? 's' : 'sh';
      const text = 'x'.repeat(length);
      outside.post(MessageType.Signal, { ...fields, signature }, [text, ...fds.map(() => 0)], fds);
      /* the bus deals with each by itself, until one that does not read has been given enough */
      outside.callBus('GetId');
    }
    closeSync(fd);
    outside.callBus('GetId');
    client.callBus('GetId');
    const signals = client.receiveWaiting().filter(({ member }) => member === 'S');
    expect(signals.map(({ body }) => String(body[0]).length)).toEqual(lengths);
    client.close();
  });

  test('that sends without a pause keeps nobody waiting, though none of it is passed on', () => {
    const client = front.connect(0);
    const bystander = connect(bus.address);
    const monitor = connect(bus.address);
    const monitoring = { interface: 'org.freedesktop.DBus.Monitoring', member: 'BecomeMonitor' };
    const toBus = { destination: BUS, path: '/org/freedesktop/DBus' };
    monitor.call({ ...toBus, ...monitoring, signature: 'asu' }, [[], 0]);
    const message = { path: '/', interface: 'org.example.I', member: 'S' };
    const hidden = { ...message, type: MessageType.Signal, destination: 'org.example.Hidden' };
    const seen = { ...hidden, destination: SERVICE, member: 'Last' };
    /* from now on the bus knows the way */
    client.post(MessageType.Signal, { ...seen, member: 'First' }, []);
    client.callBus('GetId');
    const flood = Array.from({ length: 1000 }, () => hidden);

    process.kill(bus.pid, 'SIGSTOP');
    const messages = [...flood, seen].map((each) =>
      encodeMessage({ ...each, serial: client.nextSerial() }, []),
    );
    client.send(Buffer.concat(messages));
    bystander.startCall({ ...toBus, interface: BUS, member: 'GetNameOwner', signature: 's' }, [
      BUS,
    ]);
    process.kill(bus.pid, 'SIGCONT');

    const order: (string | undefined)[] = [];
    monitor.receive(({ member }) => {
      if (member === 'GetNameOwner' || member === 'Last') order.push(member);
      return order.length === 2;
    });
    expect(order).toEqual(['GetNameOwner', 'Last']);
    for (const each of [client, bystander, monitor]) each.close();
  });

  test('is gone for the bus when it hangs up', () => {
    const client = new RawClient(`unix:path=${front.paths[0]}`).authenticate();
    const [name] = client.callBus('Hello');
    outside.callBus('AddMatch', 's', [`member='NameOwnerChanged',arg0='${String(name)}'`]);
    client.close();
    const { body } = outside.receiveSignal('NameOwnerChanged');
    expect(body).toEqual([name, name, '']);
  });
});

describe('a socket of a sandbox', () => {
  test('is not removed when somebody else listens there by then', async () => {
    const front = await Front.start('bus1-bridge sandbox', bus, [[]]);
    const [path] = front.paths;
    const client = connect(`unix:path=${path}`);
    rmSync(path);
    writeFileSync(path, '');
    await front.stop();
    client.receiveUntilEnd();
    expect(existsSync(path)).toBe(true);
    client.close();
  });

  test('is gone with the bus', async () => {
    const other = await startBus();
    const front = await Front.start('bus1-bridge sandbox', other, [[]]);
    await other.stop();
    expect(existsSync(front.paths[0])).toBe(false);
    await front.stop();
  });

  test('that nothing keeps alive any more leaves no descriptor behind', async () => {
    const before = descriptorsOf(bus);
    for (let round = 0; round < 5; round++) {
      const front = await Front.start('bus1-bridge sandbox', bus, [[], []]);
      const clients = front.paths.map((path) => connect(`unix:path=${path}`));
      await front.stop();
      for (const client of clients) {
        client.receiveUntilEnd();
        client.close();
      }
    }
    outside.callBus('GetId');
    expect(descriptorsOf(bus)).toBe(before);
  });

  test('for which there are no more descriptors gives all back, and serves again', async () => {
    const small = await startBus();
    const front = await Front.start('bus1-bridge sandbox', small, [[]]);
    const address = `unix:path=${front.paths[0]}`;
    const before = descriptorsOf(small);
    /* each client takes six: somewhere among them every call that makes one fails */
    for (let room = 1; room <= 6; room++) {
      const limit = before + 12 + room;
      await run('prlimit', ['--pid', String(small.pid), `--nofile=${limit}:4096`]);
      const clients = Array.from({ length: 8 }, () => new RawClient(address));
      await expect.poll(() => descriptorsOf(small)).toBeGreaterThan(before + 6);
      for (const client of clients) client.close();
      /* a client that comes before the bus has seen the others go is refused, too */
      await expect.poll(() => descriptorsOf(small)).toBeLessThanOrEqual(before);
    }
    connect(address).close();
    connect(small.address).close();
    await expect.poll(() => descriptorsOf(small)).toBeLessThanOrEqual(before);
    await front.stop();
    await small.stop();
  });
});

test.each([[['--filter']], [[]]])(
  'clients of a sandbox that say nothing leave room for others: %j',
  async (options) => {
    const limit = '<limit name="max_incomplete_connections">4</limit>';
    const small = await startBus({ config: sessionConfig('unix:path=@DIR@/bus', limit) });
    const front = await Front.start('bus1-bridge sandbox', small, [[]], options);
    const address = `unix:path=${front.paths[0]}`;
    const silent = Array.from({ length: 10 }, () => new RawClient(address));
    connect(small.address).close();
    for (const client of silent.splice(0, 9)) client.close();
    connect(address).close();
    expect(silent[0].authenticate().callBus('Hello')).toHaveLength(1);
    silent[0].close();
    await front.stop();
    await small.stop();
  },
);

describe('org.bus1.Sandbox.Listen', () => {
  const folder = openFolder('listen-');

  /** The error of a call with these descriptors; undefined: there is none. */
  function refusal(body: unknown[], fds: readonly number[]): string | undefined {
    const { errorName, body: texts } = outside.replyTo(outside.startCall(LISTEN, body, fds));
    return errorName && `${errorName}: ${String(texts[0])}`;
  }

  test('refuses what it cannot serve', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const notListening = openSync(file, 'r');
    const listening = listenUnix(join(folder, 'socket'));
    const [ours, life] = socketPair();
    const invalid = 'org.freedesktop.DBus.Error.InvalidArgs: org.bus1.Sandbox.Listen: ';
    expect([
      refusal([0, 7, []], [listening, life]),
      refusal([0, 1, []], [notListening, life]),
      refusal([0, 1, ['--everything']], [listening, life]),
      refusal([0, 1, ['--talk=nonsense']], [listening, life]),
      refusal([0, 1, []], [listening, notListening]),
    ]).toEqual([
      `${invalid}a descriptor index in its body is out of range`,
      `${invalid}its first descriptor is not a listening socket`,
      `${invalid}Unknown argument --everything`,
      `${invalid}'nonsense' is not a valid dbus name`,
      expect.stringMatching(/^org\.freedesktop\.DBus\.Error\.LimitsExceeded: .*EPERM/u),
    ]);
    closeSync(notListening);
    for (const fd of [listening, ours, life]) closeFd(fd);
  });
});
