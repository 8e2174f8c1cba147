import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import {
  ActivatingBus,
  type ActivatingBusOptions,
  BUS,
  callAndSync,
  ERROR,
  errorOf,
  isMethod,
  startService,
  takeName,
} from './activating-bus.js';

let bus: ActivatingBus;
function startFor(options: ActivatingBusOptions = {}): void {
  beforeAll(async () => {
    bus = await ActivatingBus.start(options);
  });
  afterAll(() => bus.stop());
}

/** Exec lines that end badly, and the error for everybody who waits. */
const FAILURES: readonly (readonly [exec: string, error: string, message: string])[] = [
  ['/bin/false', 'Spawn.ChildExited', 'Process @ exited with status 1'],
  ["/bin/sh -c 'kill -9 $$'", 'Spawn.ChildSignaled', 'Process @ received signal 9'],
  [
    '/nonexistent/program',
    'Spawn.ExecFailed',
    'Failed to execute program @: No such file or directory',
  ],
  ['/etc/passwd', 'Spawn.ExecFailed', 'Failed to execute program @: Permission denied'],
  ['/bin/true "', 'InvalidArgs', 'Unclosed quotes in command line'],
];

describe('a service that cannot be started', () => {
  startFor();

  test.each(FAILURES)('%j: %s', (exec, error, message) => {
    const name = bus.install(
      `org.example.Bad${FAILURES.findIndex(([each]) => each === exec)}`,
      exec,
    );
    const client = bus.connect();
    const expected = [`${ERROR}.${error}`, message.replace('@', name)];
    expect(errorOf(client, callAndSync(client, name))).toEqual(expected);
    const start = { destination: BUS, member: 'StartServiceByName', signature: 'su' };
    expect(errorOf(client, client.startCall(start, [name, 0]))).toEqual(expected);
  });

  test('fails for all who wait, and can be started later', () => {
    const name = bus.install('org.example.Repaired', '/bin/false');
    const [first, second, service] = [bus.connect(), bus.connect(), bus.connect()];
    const gate = join(bus.folder, 'gate');
    execFileSync('mkfifo', [gate]);
    bus.install(name, `/bin/sh -c "read line < ${gate}; exit 3"`);
    const calls = [
      [first, callAndSync(first, name)],
      [second, callAndSync(second, name)],
    ] as const;
    writeFileSync(gate, 'go\n');
    for (const [client, serial] of calls) {
      const expected = [`${ERROR}.Spawn.ChildExited`, `Process ${name} exited with status 3`];
      expect(errorOf(client, serial)).toEqual(expected);
    }
    bus.install(name);
    callAndSync(first, name, ['later']);
    takeName(service, name);
    expect(service.receive(isMethod).body).toEqual(['later']);
    unlinkSync(gate);
  });

  const signal = { type: MessageType.Signal, flags: 0 };
  const silentCall = { type: MessageType.MethodCall, flags: MessageFlag.NoReplyExpected };
  test.each([
    ['a signal', signal],
    ['a call that expects no reply', silentCall],
  ])('is reported to the sender of %s, as by the reference daemon', (_title, { type, flags }) => {
    const name = bus.install('org.example.Unanswered', '/bin/false');
    const client = bus.connect();
    const what = { destination: name, path: '/', interface: 'org.example.I', member: 'Member' };
    const serial = client.post(type, { ...what, flags });
    expect(errorOf(client, serial)[0]).toBe(`${ERROR}.Spawn.ChildExited`);
  });

  test('is unknown without a file', () => {
    const client = bus.connect();
    const text = 'The name org.example.Nothing was not provided by any .service files';
    const expected = [`${ERROR}.ServiceUnknown`, text];
    expect(errorOf(client, callAndSync(client, 'org.example.Nothing'))).toEqual(expected);
    for (const name of ['org.example.Nothing', BUS, client.uniqueName, 'not a name']) {
      expect(() => startService(client, name)).toThrow(`The name ${name} was not provided`);
    }
  });
});

describe('a deadline', () => {
  startFor({ elements: '<limit name="service_start_timeout">300</limit>' });

  test('ends the wait with TimedOut, and the process', () => {
    const pipe = join(bus.folder, 'held-open');
    execFileSync('mkfifo', [pipe]);
    const name = bus.install('org.example.Slow', `/bin/sh -c "exec sleep 1000 > ${pipe}"`);
    const client = bus.connect();
    const serial = callAndSync(client, name);
    const reader = openSync(pipe, 'r');
    const text = `Failed to activate service '${name}': timed out (service_start_timeout=300ms)`;
    expect(errorOf(client, serial)).toEqual([`${ERROR}.TimedOut`, text]);
    /* the end of the stream: nobody has the pipe open for writing any more */
    expect(readSync(reader, new Uint8Array(1))).toBe(0);
    closeSync(reader);
  });

  test("is each attempt's own", () => {
    const name = bus.install('org.example.Slow');
    const [client, service] = [bus.connect(), bus.connect()];
    expect(errorOf(client, callAndSync(client, name))[0]).toBe(`${ERROR}.TimedOut`);
    callAndSync(client, name, ['second attempt']);
    takeName(service, name);
    expect(service.receive(isMethod).body).toEqual(['second attempt']);
  });
});

test('max_pending_service_starts limits what waits', async () => {
  bus = await ActivatingBus.start({
    elements: '<limit name="max_pending_service_starts">2</limit>',
  });
  const [one, other] = [bus.install('org.example.One'), bus.install('org.example.Other')];
  const client = bus.connect();
  callAndSync(client, one);
  callAndSync(client, one);
  expect(errorOf(client, callAndSync(client, other))).toEqual([
    `${ERROR}.LimitsExceeded`,
    `The maximum number of pending activations has been reached, activation of ${other} failed ` +
      '(max_pending_service_starts=2)',
  ]);
  await bus.stop();
});

test('where services run as other users the environment is closed, and User is needed', async () => {
  bus = await ActivatingBus.start({ elements: '<servicehelper>/bin/false</servicehelper>' });
  const client = bus.connect();
  expect(() => client.callBus('UpdateActivationEnvironment', 'a{ss}', [new Map()])).toThrow(
    'Cannot change activation environment on a system bus.',
  );
  const name = bus.install('org.example.NoUser', '/bin/true');
  expect(errorOf(client, callAndSync(client, name))).toEqual([
    `${ERROR}.Spawn.FileInvalid`,
    'Cannot do system-bus activation with no user\n',
  ]);
  await bus.stop();
});
