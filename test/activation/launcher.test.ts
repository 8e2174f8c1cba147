import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Launcher } from '#bridge/activation/launcher.js';
import type { LaunchEvent } from '#bridge/activation/launcher.js';
import type { LaunchIdentity } from '#bridge/activation/launch-command.js';
import { parseServiceFile } from '#bridge/activation/service-file.js';
import type { Service } from '#bridge/activation/service-file.js';
import { hasReferenceBus, ServiceStarter, startReferenceBus } from './reference-bus.js';

const SAME_USER: LaunchIdentity = { kind: 'same-user' };
const ENVIRONMENT = {
  PATH: '/usr/bin:/bin',
  DBUS_STARTER_ADDRESS: 'unix:path=/bus',
  DBUS_STARTER_BUS_TYPE: 'system',
};
const isRoot = process.geteuid?.() === 0;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'launcher-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function serviceOf(name: string, keys: string): Service {
  const content = new TextEncoder().encode(`[D-BUS Service]\nName=${name}\n${keys}\n`);
  const { service, diagnostics } = parseServiceFile(`${name}.service`, content);
  if (service === undefined) throw new Error(diagnostics.map(({ message }) => message).join());
  return service;
}

function launch(
  keys: string,
  identity: LaunchIdentity = SAME_USER,
  environment: Record<string, string> = ENVIRONMENT,
) {
  const launcher = new Launcher({ identity, output: 'ignore' });
  return launcher.start(serviceOf('org.example.Name', keys), environment);
}

const outcomeOf = (keys: string, identity: LaunchIdentity = SAME_USER): Promise<LaunchEvent> =>
  lastValueFrom(launch(keys, identity).events);

const failed = (name: string, message: string): LaunchEvent => ({
  kind: 'failed',
  failure: { errorName: `org.freedesktop.DBus.Error.${name}`, message },
});

/** Exec lines that end badly, with the error that dbus-daemon sends. */
const FAILURES: readonly (readonly [exec: string, error: string, message: string])[] = [
  ['/bin/false', 'Spawn.ChildExited', 'Process org.example.Name exited with status 1'],
  ['/bin/sh -c "exit 42"', 'Spawn.ChildExited', 'Process org.example.Name exited with status 42'],
  ["/bin/sh -c 'kill -9 $$'", 'Spawn.ChildSignaled', 'Process org.example.Name received signal 9'],
  ["/bin/sh -c 'kill $$'", 'Spawn.ChildSignaled', 'Process org.example.Name received signal 15'],
  [
    '/nonexistent/program',
    'Spawn.ExecFailed',
    'Failed to execute program org.example.Name: No such file or directory',
  ],
  [
    '/etc/passwd',
    'Spawn.ExecFailed',
    'Failed to execute program org.example.Name: Permission denied',
  ],
  ['/tmp', 'Spawn.ExecFailed', 'Failed to execute program org.example.Name: Permission denied'],
  [
    '/etc/passwd/x',
    'Spawn.ExecFailed',
    'Failed to execute program org.example.Name: Not a directory',
  ],
  [
    'true',
    'Spawn.ExecFailed',
    'Failed to execute program org.example.Name: No such file or directory',
  ],
  ['', 'Spawn.ExecFailed', 'Failed to execute program org.example.Name: No such file or directory'],
  ['/bin/true "', 'InvalidArgs', 'Unclosed quotes in command line'],
];

describe('a program that ends before its name appears', () => {
  test.each(FAILURES)('%j fails with %s', async (exec, error, message) => {
    expect(await outcomeOf(`Exec=${exec}`)).toEqual(failed(error, message));
  });

  test.runIf(hasReferenceBus)('fails as under dbus-daemon', async () => {
    const services = mkdtempSync(join(tmpdir(), 'launcher-reference-'));
    const elements = `<servicedir>${services}</servicedir>`;
    const bus = await startReferenceBus({ elements, directory: services });
    const starter = await ServiceStarter.connect(bus.address);
    try {
      for (const [index, [exec, error, message]] of FAILURES.entries()) {
        const name = `org.example.N${index}`;
        writeFileSync(
          join(services, `${name}.service`),
          `[D-BUS Service]\nName=${name}\nExec=${exec}\n`,
        );
        expect({ exec, ...(await starter.start(name)) }).toEqual({
          exec,
          reply: 0,
          errorName: `org.freedesktop.DBus.Error.${error}`,
          message: message.replace('org.example.Name', name),
        });
      }
    } finally {
      starter.disconnect();
      await bus.stop();
    }
  });

  test('with status 0 has perhaps become a daemon, so this is no failure', async () => {
    const events = await lastValueFrom(launch('Exec=/bin/true').events.pipe(toArray()));
    expect(events.map(({ kind }) => kind)).toEqual(['spawned', 'exited']);
  });
});

describe('a program that keeps running', () => {
  test('can be killed when its time is up', async () => {
    const running = launch('Exec=/bin/sleep 1000');
    expect(await firstValueFrom(running.events)).toMatchObject({ kind: 'spawned' });
    running.kill();
    expect(await lastValueFrom(running.events)).toEqual(
      failed('Spawn.ChildSignaled', 'Process org.example.Name received signal 9'),
    );
    running.kill();
  });

  test('has its environment, arguments and input from the bus, and its session', async () => {
    const report = join(directory, 'report');
    const look = 'env; echo $#; echo "$1"; readlink /proc/self/fd/0; cat /proc/self/stat';
    const script = `exec > ${report}; ${look}`;
    const pids: number[] = [];
    const launcher = new Launcher({
      identity: SAME_USER,
      output: 'ignore',
      onSpawned: (pid) => pids.push(pid),
    });
    const service = serviceOf('org.example.Name', `Exec=/bin/sh -c '${script}' name "an argument"`);
    await lastValueFrom(launcher.start(service, { ONLY: 'this' }).events);
    const lines = readFileSync(report, 'utf8').trim().split('\n');
    expect(lines.filter((line) => !line.startsWith('PWD=')).slice(0, -1)).toEqual([
      'ONLY=this',
      '1',
      'an argument',
      '/dev/null',
    ]);
    const ownStat = readFileSync('/proc/self/stat', 'utf8');
    const groupAndSession = (stat: string) =>
      stat.slice(stat.lastIndexOf(')')).split(' ').slice(3, 5);
    expect(groupAndSession(lines.at(-1) ?? '')).toEqual(groupAndSession(ownStat));
    expect(pids).toHaveLength(1);
  });

  test('is not looked for in PATH', async () => {
    const marker = join(directory, 'marker');
    const bin = join(directory, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'only-in-path'), `#!/bin/sh\n: > ${marker}\n`, { mode: 0o755 });
    const running = launch('Exec=only-in-path', SAME_USER, { PATH: bin });
    expect(await lastValueFrom(running.events)).toMatchObject({ kind: 'failed' });
    expect(statSync(marker, { throwIfNoEntry: false })).toBeUndefined();
  });
});

describe('a system bus with a launch helper', () => {
  const withStatus = (status: number): LaunchIdentity => {
    const helper = join(directory, `helper-${status}`);
    const script = `#!/bin/sh\necho "$@" > ${helper}.arguments\nexit ${status}\n`;
    writeFileSync(helper, script, { mode: 0o755 });
    return { kind: 'helper', helper };
  };
  const KEYS = 'Exec=/bin/never-run\nUser=nobody';

  test.each([
    [1, 'Spawn.ChildExited', 'Launch helper exited with unknown return code 1'],
    [2, 'NoMemory', 'Launcher could not run (out of memory)'],
    [3, 'Spawn.ConfigInvalid', 'Invalid configuration (missing or empty <user>?)'],
    [4, 'Spawn.FailedToSetup', 'Failed to setup environment correctly'],
    [5, 'Spawn.ServiceNotValid', 'Bus name is not valid or missing'],
    [6, 'Spawn.ServiceNotFound', 'Bus name not found in system service directory'],
    [7, 'Spawn.PermissionsInvalid', 'The permission of the setuid helper is not correct'],
    [
      8,
      'Spawn.PermissionsInvalid',
      'The service file is incorrect or does not have all required attributes',
    ],
    [9, 'Spawn.ExecFailed', 'Cannot launch daemon, file not found or permissions invalid'],
    [10, 'InvalidArgs', 'Invalid arguments to command line'],
    [11, 'Spawn.ChildSignaled', 'Launched child was signaled, it probably crashed'],
    [12, 'Spawn.ChildExited', 'Launch helper exited with unknown return code 12'],
  ])('understands its exit status %i', async (status, error, message) => {
    expect(await outcomeOf(KEYS, withStatus(status))).toEqual(failed(error, message));
  });

  test('calls it with the name alone', async () => {
    await outcomeOf(KEYS, withStatus(0));
    expect(readFileSync(join(directory, 'helper-0.arguments'), 'utf8')).toBe('org.example.Name\n');
  });

  test('needs to know the user', async () => {
    expect(await outcomeOf('Exec=/bin/true', withStatus(0))).toEqual(
      failed('Spawn.FileInvalid', 'Cannot do system-bus activation with no user\n'),
    );
  });
});

describe('a system bus that is root', () => {
  const NOBODY = { uid: 65534, gid: 65534 };
  const SWITCH: LaunchIdentity = {
    kind: 'switch-user',
    lookupUser: (name) => (name === 'nobody' ? NOBODY : undefined),
  };

  test('needs to know the user', async () => {
    expect(await outcomeOf('Exec=/bin/true', SWITCH)).toMatchObject({
      failure: { errorName: 'org.freedesktop.DBus.Error.Spawn.FileInvalid' },
    });
    expect(await outcomeOf('Exec=/bin/true\nUser=stranger', SWITCH)).toEqual(
      failed('Spawn.FailedToSetup', 'Failed to setup environment correctly'),
    );
  });

  test.runIf(isRoot)('runs the program as that user, with little environment', async () => {
    const report = join(directory, 'report-of-nobody');
    writeFileSync(report, '');
    chmodSync(report, 0o666);
    chmodSync(directory, 0o755);
    const script = `exec > ${report}; id -u; id -g; env -u PWD -u _ -u SHLVL -u OLDPWD | sort`;
    writeFileSync(join(directory, 'as-user'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    await outcomeOf(`Exec=${directory}/as-user\nUser=nobody`, SWITCH);
    expect(readFileSync(report, 'utf8').trim().split('\n')).toEqual([
      '65534',
      '65534',
      'DBUS_STARTER_ADDRESS=unix:path=/bus',
      'DBUS_STARTER_BUS_TYPE=system',
    ]);
  });

  test.runIf(isRoot)('says when there is no such program', async () => {
    expect(await outcomeOf('Exec=/nonexistent/program\nUser=nobody', SWITCH)).toEqual(
      failed('Spawn.ExecFailed', 'Cannot launch daemon, file not found or permissions invalid'),
    );
    expect(await outcomeOf('Exec=/bin/false\nUser=nobody', SWITCH)).toEqual(
      failed('Spawn.ChildExited', 'Process org.example.Name exited with status 1'),
    );
  });
});
