// dbus-test-tool(1): the reference implementation's own load generator and misbehaving services.
import dbus from 'dbus-next';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningBus, describeWith, needs, run, start, startBus } from '../support/bus.js';
import { type NameWatch, callBus, connect, listNames, watchNames } from '../support/names.js';
import type { Program } from '../support/process.js';

const ECHO = 'org.example.Echo';
const BLACK_HOLE = 'org.example.BlackHole';

describeWith([needs('dbus-test-tool', 'dbus-bin')], 'dbus-test-tool', () => {
  let bus: RunningBus;
  let observer: dbus.MessageBus;
  let watch: NameWatch;
  let echo: Program;
  const tool = (...args: string[]) => start('dbus-test-tool', args, { env: bus.env });
  const spam = (dest: string, args: string[], input = '') =>
    run('dbus-test-tool', ['spam', `--dest=${dest}`, ...args], { env: bus.env, input });
  const success = { code: 0, stderr: '' };

  beforeAll(async () => {
    bus = await startBus();
    observer = await connect(bus.address);
    watch = await watchNames(observer);
    echo = tool('echo', `--name=${ECHO}`);
    await watch.owned(ECHO);
  });
  afterAll(async () => {
    await echo.stop();
    observer.disconnect();
    await bus.stop();
  });

  test.each([
    ['one call at a time', '--count=500'],
    ['64 calls outstanding', '--count=5000', '--queue=64'],
    ['all calls at once', '--count=5000', '--flood'],
    ['calls that want no reply', '--count=5000', '--no-reply'],
    ['64 calls outstanding, empty', '--count=2000', '--queue=64', '--empty'],
    [
      'byte arrays of 64 KiB',
      '--count=200',
      '--queue=8',
      '--bytes',
      `--payload=${'x'.repeat(65536)}`,
    ],
    ['a new connection for each 20 calls', '--count=500', '--queue=4', '--messages-per-conn=20'],
  ])('echo answers: %s', async (_what, ...args) => {
    expect(await spam(ECHO, args)).toMatchObject(success);
  });

  test('echo answers messages of a random size up to 1 MiB', async () => {
    const args = ['--count=50', '--queue=4', '--random-size', '--seed=7'];
    const sizes = '1 10 100 1000 10000 1048576';
    expect(await spam(ECHO, args, sizes)).toMatchObject(success);
  });

  test('the bus itself answers a flood, with errors', async () => {
    const args = ['--count=2000', '--flood', '--ignore-errors'];
    expect(await spam('org.freedesktop.DBus', args)).toMatchObject(success);
  });

  test('a black hole takes calls, and its callers get NoReply once it is gone', async () => {
    const hole = tool('black-hole', `--name=${BLACK_HOLE}`);
    const owner = await watch.owned(BLACK_HOLE);
    const call = { destination: BLACK_HOLE, path: '/', interface: 'a.b', member: 'C' };
    const calls = Array.from({ length: 10 }, () => observer.call(new dbus.Message(call)));
    const outcomes = Promise.allSettled(calls);
    // An answer to this, sent after the calls, means that the bus has taken them all.
    await callBus(observer, 'GetId');
    await hole.stop();
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: {
          type: 'org.freedesktop.DBus.Error.NoReply',
          text: 'Message recipient disconnected from message bus without replying',
        },
      });
    }
    await watch.gone(owner);
  });

  test('who never reads stops nobody else', async () => {
    const hole = tool('black-hole', `--name=${BLACK_HOLE}`, '--no-read');
    await watch.owned(BLACK_HOLE);
    // 8 MiB: far more than a socket holds, far less than a connection's limit.
    const flood = ['--count=2000', '--no-reply', `--payload=${'x'.repeat(4096)}`];
    expect(await spam(BLACK_HOLE, flood)).toMatchObject(success);
    expect(await spam(ECHO, ['--count=1000', '--queue=16'])).toMatchObject(success);
    await expect(listNames(observer)).resolves.toContain(BLACK_HOLE);
    await hole.stop();
    await watch.gone(BLACK_HOLE);
  });
});
