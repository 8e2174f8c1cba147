// Roles of a policy on a running bus: who is in one, what it sees, and what a reload changes.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { sessionBus } from '#bridge/client/dbus-next/index.js';
import { join } from '#bridge/client/index.js';
import { loadConfiguration } from '#bridge/control/configuration.js';
import type { DenialRow } from '#bridge/registry/denials.js';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { BusWithHosts } from '../hosts/bus-with-hosts.js';
import { openFolder, ROOT } from '../support/bus-command.js';
import { output, run, startBus, type RunningBus } from '../support/bus.js';
import { killAtExit } from '../support/process.js';
import type { RawClient } from '../support/raw-client.js';
import {
  BUS,
  comingInAt,
  connectTo,
  mayOwn,
  names,
  policyFiles,
  writeRoles,
  type PolicyFiles,
  type Roles,
} from './role-policy.js';

const PROGRAM = joinPath(ROOT, 'dist/bridge/cli/bus1-bridge.js');
const NODE = process.execPath;
const CALL = { path: '/a', interface: 'org.example.I', member: 'M' };
/** Root of a container may not. */
const canMount = spawnSync('unshare', ['-m', 'mount', '--bind', '/', '/mnt']).status === 0;

function ownCgroup(): string {
  const groups = readFileSync('/proc/self/cgroup', 'utf8');
  const line = /^\d+:name=systemd:(.*)$/mu.exec(groups) ?? /^0::(.*)$/mu.exec(groups);
  return line![1];
}

describe.each([1, 2])('with %i host(s)', (hosts) => {
  const env = { BUS1_HOSTS: String(hosts) };

  describe('who is in a role', () => {
    const place = policyFiles(({ other }) => ({
      user: { for: { user: process.getuid!() }, own: 'org.user.A' },
      'other user': { for: { user: 65_533 }, own: 'org.other.User' },
      group: { for: { group: process.getgid!() }, own: 'org.group.A' },
      executable: { for: { executable: [NODE, '/usr/bin/true'] }, own: 'org.executable.A' },
      busctl: { for: { executable: '/usr/bin/busctl' }, own: 'org.busctl.A' },
      cgroup: { for: { cgroup: ownCgroup() }, own: 'org.cgroup.A' },
      'other cgroup': { for: { cgroup: '/no.slice' }, own: 'org.other.Cgroup' },
      listener: { for: comingInAt(other), own: 'org.listener.A' },
      label: { for: { label: 'no-such-label' }, own: 'org.label.A' },
      both: { for: { user: process.getuid!(), executable: '/usr/bin/busctl' }, own: 'org.both.A' },
    }));
    let bus: RunningBus;

    beforeAll(async () => {
      bus = await startBus({ config: place.config, env });
    });
    afterAll(() => bus.stop());

    test.each([
      ['org.user.A', true],
      ['org.other.User', false],
      ['org.group.A', true],
      ['org.executable.A', true],
      ['org.busctl.A', false],
      ['org.cgroup.A', true],
      ['org.other.Cgroup', false],
      ['org.listener.A', false],
      ['org.label.A', false],
      ['org.both.A', false],
    ])('this process may own %s: %s', (name, isAllowed) => {
      const client = connectTo(place.main);
      expect(mayOwn(client, name)).toBe(isAllowed);
      client.close();
    });

    test('a listener', () => {
      const client = connectTo(place.other);
      expect(mayOwn(client, 'org.listener.A')).toBe(true);
      client.close();
    });

    const request = ['call', BUS, '/', BUS, 'RequestName', 'su'];
    const busctl = (program: string, name: string): Promise<{ code: number }> =>
      run(program, [`--address=unix:path=${place.main}`, ...request, name, '0']);

    test('another executable', async () => {
      expect(await busctl('/usr/bin/busctl', 'org.busctl.A')).toMatchObject({ code: 0 });
      expect(await busctl('/usr/bin/busctl', 'org.both.A')).toMatchObject({ code: 0 });
      expect(await busctl('/usr/bin/busctl', 'org.executable.A')).toMatchObject({ code: 1 });
    });

    test('a copy of the executable is another one', async () => {
      const copy = joinPath(place.folder, 'busctl');
      copyFileSync('/usr/bin/busctl', copy);
      expect(await busctl(copy, 'org.busctl.A')).toMatchObject({ code: 1 });
    });

    test.runIf(canMount)('so is one that its process has mounted at the path', async () => {
      const copy = joinPath(place.folder, 'busctl');
      copyFileSync('/usr/bin/busctl', copy);
      const words = ['/usr/bin/busctl', `--address=unix:path=${place.main}`, ...request];
      const script = `mount --bind ${copy} /usr/bin/busctl && exec ${words.join(' ')} org.busctl.A 0`;
      const { code, stderr } = await run('unshare', ['-m', 'sh', '-c', script]);
      expect(stderr).toContain('denied');
      expect(code).toBe(1);
    });
  });

  describe('what a role sees', () => {
    const place = policyFiles(({ main, other }) => ({
      service: { for: comingInAt(main), own: ['org.example.*', 'org.hidden.*'] },
      client: {
        for: comingInAt(other),
        see: 'org.example.Seen',
        talk: 'org.example.Talk',
        own: 'org.client.*',
        call: [{ name: 'org.example.Called', interface: 'org.example.I', member: 'M' }],
        hear: ['org.example.Heard'],
      },
    }));
    let bus: RunningBus;
    let service: RawClient;

    beforeAll(async () => {
      bus = await startBus({ config: place.config, env });
      service = connectTo(place.main);
      for (const name of ['Seen', 'Talk', 'Called', 'Heard', 'Other']) {
        service.callBus('RequestName', 'su', [`org.example.${name}`, 0]);
      }
      service.callBus('RequestName', 'su', ['org.hidden.A', 0]);
    });
    afterAll(async () => {
      service.close();
      await bus.stop();
    });

    /** What the caller of a method is told, by the service or by the bus. */
    const call = (client: RawClient, destination: string, member = 'M'): string => {
      const serial = client.startCall({ ...CALL, member, destination });
      client.callBus('GetId');
      service.callBus('GetId');
      for (const message of service.receiveWaiting()) {
        if (message.type === MessageType.MethodCall) service.reply(message);
      }
      const { type, errorName = '', body } = client.replyTo(serial);
      return type === MessageType.Error ? `${errorName}: ${String(body[0])}` : 'answered';
    };

    test('names that nothing is granted about do not exist', () => {
      const client = connectTo(place.other);
      expect(names(client)).toEqual(
        ['Called', 'Heard', 'Seen', 'Talk'].map((each) => `org.example.${each}`),
      );
      expect(client.callBus('NameHasOwner', 's', ['org.hidden.A'])).toEqual([false]);
      expect(client.callBus('NameHasOwner', 's', ['org.example.Seen'])).toEqual([true]);
      expect(call(client, 'org.hidden.A')).toMatch(
        /^org\.freedesktop\.DBus\.Error\.ServiceUnknown/u,
      );
      client.close();
    });

    test('others see everything', () => {
      expect(names(service)).toContain('org.hidden.A');
    });

    test.each([
      ['org.example.Talk', 'N', 'answered'],
      ['org.example.Called', 'M', 'answered'],
    ])('a call to %s.%s is %s', (destination, member, outcome) => {
      const client = connectTo(place.other);
      expect(call(client, destination, member)).toBe(outcome);
      client.close();
    });

    test.each([
      ['org.example.Seen', 'M'],
      ['org.example.Called', 'N'],
      ['org.example.Heard', 'M'],
    ])('a call to %s.%s is denied, by role, file and line', (destination, member) => {
      const client = connectTo(place.other);
      expect(call(client, destination, member)).toBe(
        'org.freedesktop.DBus.Error.AccessDenied: ' +
          `role "client" at ${place.config}:${lineOf(place.config, '  client:') + 1} does not grant it; ` +
          `type="method_call" interface="org.example.I" member="${member}" path="/a" ` +
          `destination="${destination}"`,
      );
      client.close();
    });

    test('what is denied is counted', async () => {
      const client = connectTo(place.other);
      call(client, 'org.example.Seen', 'Counted');
      const args = [PROGRAM, 'denials', '--json', bus.address];
      const rows = (await output(NODE, args, { env: bus.env }))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as DenialRow);
      const row = rows.find(({ message }) => message.includes('Counted'));
      expect(row).toMatchObject({
        program: NODE,
        rule: `${place.config}:${lineOf(place.config, '  client:') + 1}`,
        count: 1,
      });
      client.close();
    });

    test('owners that come and go are heard of where the name is seen', () => {
      const client = connectTo(place.other);
      client.callBus('AddMatch', 's', [`member='NameOwnerChanged'`]);
      for (const name of ['org.hidden.B', 'org.example.Seen', 'org.client.A']) {
        service.callBus('ReleaseName', 's', [name]);
      }
      service.callBus('RequestName', 'su', ['org.hidden.B', 0]);
      service.callBus('RequestName', 'su', ['org.example.Seen', 0]);
      client.callBus('GetId');
      const changes = client.receiveWaiting().filter(({ member }) => member === 'NameOwnerChanged');
      expect(changes.map(({ body }) => body[0])).toEqual(['org.example.Seen', 'org.example.Seen']);
      client.close();
    });

    test('it owns what it is granted, and nothing else', () => {
      const client = connectTo(place.other);
      expect(mayOwn(client, 'org.client.A')).toBe(true);
      expect(mayOwn(client, 'org.example.Talk')).toBe(false);
      client.close();
    });

    test('it is known to others by its own credentials', () => {
      const client = connectTo(place.other);
      client.callBus('RequestName', 'su', ['org.client.Known', 0]);
      expect(service.callBus('GetConnectionUnixProcessID', 's', ['org.client.Known'])).toEqual([
        process.pid,
      ]);
      client.close();
    });
  });

  describe('a process that ends before the bus has looked at it', () => {
    /** Connects, and leaves the socket to a child: what the bus answers to that. */
    const SCRIPT = `
import os, socket, sys
path, hello = sys.argv[1], bytes.fromhex(sys.argv[2])
client = socket.socket(socket.AF_UNIX)
client.connect(path)
if os.fork():
    os._exit(0)
client.sendall(b'\\0AUTH EXTERNAL ' + str(os.getuid()).encode().hex().encode() + b'\\r\\n')
client.recv(4096)
client.sendall(b'BEGIN\\r\\n' + hello)
print('greeted' if client.recv(4096) else 'turned away', flush=True)
`;

    test.each([
      ['is turned away where a role would confine it', { see: [] }, 'turned away'],
      ['has what no role gives', { own: 'org.example.A' }, 'greeted'],
    ])('%s', async (_what, grants, outcome) => {
      const place = policyFiles({ tool: { for: { executable: '/usr/bin/env' }, ...grants } });
      const bus = await startBus({ config: place.config, env });
      onTestFinished(() => bus.stop());
      const member = { destination: BUS, path: '/', interface: BUS, member: 'Hello' };
      const hello = encodeMessage({ ...member, type: MessageType.MethodCall, serial: 1 }, []);
      process.kill(bus.pid, 'SIGSTOP');
      const words = ['-c', SCRIPT, place.main, Buffer.from(hello).toString('hex')];
      const child = spawn('python3', words, { stdio: ['ignore', 'pipe', 'inherit'] });
      killAtExit(child);
      const printed = text(child.stdout);
      await once(child, 'exit');
      process.kill(bus.pid, 'SIGCONT');
      expect(await printed).toBe(`${outcome}\n`);
    });
  });

  describe('native peers', () => {
    const CONFINED = { node: { for: { executable: NODE }, see: 'org.example.Seen' } };
    const GRANTED = { node: { for: { executable: NODE }, own: 'org.example.*' } };

    async function bridgeWith(roles: Roles): Promise<{ bridge: BusWithHosts; place: PolicyFiles }> {
      const place = policyFiles(roles);
      const bridge = await BusWithHosts.start(hosts, ['--config', place.config]);
      onTestFinished(() => bridge.stop());
      return { bridge, place };
    }

    test('are in roles as others are', async () => {
      const { bridge } = await bridgeWith(GRANTED);
      const bus = await join({ address: bridge.address, transport: 'domain' });
      expect(await bus.requestName('org.example.A')).toBe(1);
      await expect(bus.requestName('org.other.A')).rejects.toThrow('bus.yaml');
      bus.close();
    });

    test('that would see too much use the socket', async () => {
      const { bridge } = await bridgeWith(CONFINED);
      const bus = await join({ address: bridge.address });
      expect(bus.transport).toBe('socket');
      bus.close();
      const insisting = join({ address: bridge.address, transport: 'domain' });
      await expect(insisting).rejects.toMatchObject({
        code: 'JoinFailed',
        message: /a role limits what this process sees of the bus/u,
      });
    });

    test('written for dbus-next do so, too', async () => {
      const { bridge } = await bridgeWith(CONFINED);
      const bus = sessionBus({ busAddress: bridge.address });
      const object = await bus.getProxyObject(BUS, '/org/freedesktop/DBus');
      const listed = await object.getInterface(BUS)['ListNames']();
      expect(listed.filter((name: string) => !name.startsWith(':'))).toEqual([BUS]);
      bus.disconnect();
    });

    test('that a reload confines are disconnected', async () => {
      const { bridge, place } = await bridgeWith(GRANTED);
      const bus = await join({ address: bridge.address, transport: 'domain' });
      writeRoles(place, CONFINED);
      const driver = { destination: BUS, path: '/', interface: BUS };
      await expect(bus.call({ ...driver, member: 'ReloadConfig' })).rejects.toThrow(
        'was not answered',
      );
      await expect(bus.requestName('org.example.A')).rejects.toMatchObject({
        code: 'Disconnected',
      });
      bus.close();
    });
  });
});

describe.each(['session', 'system'])('policy/%s.yaml, which comes with the program', (name) => {
  const shipped = readFileSync(joinPath(ROOT, `policy/${name}.yaml`), 'utf8');

  test('says what the file of the distribution says', () => {
    const ours = loadConfiguration(joinPath(ROOT, `policy/${name}.yaml`));
    const theirs = loadConfiguration(`/usr/share/dbus-1/${name}.conf`);
    expect(ours.config.policy).toEqual(theirs.config.policy);
    expect(ours.config.limits).toEqual(theirs.config.limits);
  });

  test('has an example without a mistake', async () => {
    const [before, example] = shipped.split('# roles:');
    const file = joinPath(openFolder('example-'), 'bus.yaml');
    const uncommented = example.replaceAll('\n# ', '\n').replaceAll('\n#\n', '\n\n');
    writeFileSync(file, `${before}roles:${uncommented}`);
    const printed = await output(NODE, [PROGRAM, 'lint', '--json', file]);
    const codes = (JSON.parse(printed) as { file: string; code: string }[])
      .filter((line) => line.file === file)
      .map(({ code }) => code);
    /* the program of the example need not be installed */
    expect(codes.filter((code) => code !== 'no-such-file')).toEqual([]);
    expect(loadConfiguration(file).config.policy.roles.length).toBeGreaterThan(0);
  });
});

describe('bus1-bridge explain', () => {
  const place = policyFiles({
    game: { for: { user: 65_533 }, see: 'org.example.Seen', own: 'org.example.Game' },
    helper: { for: { user: 65_533 }, talk: 'org.example.Helped' },
  });
  const rows: readonly (readonly [words: string, code: number, said: RegExp])[] = [
    ['--role helper --to org.example.Helped', 0, /^allowed\nsend: allowed by .* of role "helper"/u],
    ['--from helper --to org.example.Helped', 0, /^allowed/u],
    ['--to org.example.Helped', 1, /^denied\nsend: denied by <deny send_type="method_call"\/>/u],
    ['--role helper game --to org.example.Helped', 0, /role "game" .*: a grant allows it/u],
    ['--role game --to org.example.Helped', 1, /role "game" .*: the other side is not visible/u],
    ['--role game --to org.example.Seen', 1, /role "game" .*: no grant covers this message/u],
    ['--role game --own org.example.Game', 0, /^allowed by <allow own="org\.example\.Game"/u],
    ['--role game --own org.example.Other', 1, /^denied, role "game" at .* grants no such name/u],
    ['--role nobody --own org.example.Other', 2, /there is no role "nobody"/u],
  ];
  test.each(rows)('%s', async (words, code, said) => {
    const args = [PROGRAM, 'explain', place.config, ...words.split(' ')];
    const result = await run(NODE, args);
    expect(result.stdout + result.stderr).toMatch(said);
    expect(result.code).toBe(code);
  });
});

function lineOf(path: string, text: string): number {
  return readFileSync(path, 'utf8').split('\n').indexOf(text) + 1;
}
