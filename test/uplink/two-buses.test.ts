// A bridge beside a real bus, both ways, with software that is not ours.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../support/bus-command.js';
import { describeWith, needs, needsPythonModule, output, run } from '../support/bus.js';
import type { Environment, Program } from '../support/process.js';
import { startPythonService, testPythonChecks, WITH_DESCRIPTORS } from '../support/python.js';
import { PYTHON } from '../support/software.js';
import { Bridge } from './bridge.js';
import { OLD_BUSES, OLD_BUS_SOFTWARE, OldBus } from './old-bus.js';

const CLIENTS = [
  { library: 'libdbus', script: 'client_libdbus.py' },
  { library: 'GDBus', script: 'client_gdbus.py' },
];
const OLD_NAME = 'org.example.Interop.Old';
const NEW_NAME = 'org.example.Interop.New';
const OLD_STARTED = 'org.example.Started.Old';
const NEW_STARTED = 'org.example.Started.New';

const INTERFACE = 'org.example.Interop';
const PATH = '/org/example/Interop';
const CROWD = 50;

const SERVICE = join(ROOT, 'test/interop/python/service_libdbus.py');
const startedBy = (name: string) => ({ name, exec: `${PYTHON} ${SERVICE} ${name}` });

const SOFTWARE = [
  needs(PYTHON, 'python3'),
  needsPythonModule('dbus', 'python3-dbus'),
  needsPythonModule('gi', 'python3-gi'),
  needs('gdbus', 'libglib2.0-bin'),
  needs('busctl', 'systemd'),
  needs('dbus-test-tool', 'dbus-bin'),
];

function gdbusSum(name: string, env: Environment): Promise<string> {
  const where = ['--dest', name, '--object-path', PATH, '--method', `${INTERFACE}.Sum`];
  return output('gdbus', ['call', '--session', ...where, '[2, 3]'], { env });
}

async function namesOn(env: Environment): Promise<string[]> {
  const lines = await output('busctl', ['--user', '--no-legend', '--acquired', 'list'], { env });
  return lines.split('\n').flatMap((line) => line.split(' ')[0] || []);
}

describe.each(OLD_BUSES)('beside %s', (kind) => {
  describeWith([...SOFTWARE, ...OLD_BUS_SOFTWARE[kind]], 'a bridge', () => {
    let old: OldBus;
    let bridge: Bridge;
    let oldService: Program;
    let newService: Program;

    beforeAll(async () => {
      old = await OldBus.start(kind, [startedBy(OLD_STARTED)]);
      oldService = await startPythonService('service_libdbus.py', OLD_NAME, old.env);
      bridge = await Bridge.attach(old, {
        imports: [OLD_NAME, OLD_STARTED],
        exports: ['org.example.Interop.New.*', NEW_STARTED],
        services: [startedBy(NEW_STARTED)],
      });
      newService = await startPythonService('service_libdbus.py', NEW_NAME, bridge.env);
    });
    afterAll(async () => {
      await oldService.stop();
      await newService.stop();
      await bridge.stop();
      await old.stop();
    });

    describe.each(CLIENTS)(
      'a service of the old bus, used behind the bridge by $library',
      ({ script }) => {
        testPythonChecks(WITH_DESCRIPTORS, script, [OLD_NAME, 'descriptors'], () => bridge.env);
      },
    );

    describe.each(CLIENTS)(
      'a service behind the bridge, used from the old bus by $library',
      ({ script }) => {
        testPythonChecks(WITH_DESCRIPTORS, script, [NEW_NAME, 'descriptors'], () => old.env);
      },
    );

    test('a service of the old bus is started by a call from behind the bridge', async () => {
      await expect(gdbusSum(OLD_STARTED, bridge.env)).resolves.toBe('(5,)\n');
      await expect(namesOn(bridge.env)).resolves.toContain(OLD_STARTED);
    });

    test('a service behind the bridge is started by a call from the old bus', async () => {
      await expect(gdbusSum(NEW_STARTED, old.env)).resolves.toBe('(5,)\n');
      await expect(namesOn(bridge.env)).resolves.toContain(NEW_STARTED);
      await expect(gdbusSum(NEW_STARTED, old.env)).resolves.toBe('(5,)\n');
    });

    test('busctl and dbus-send see the credentials of the service itself', async () => {
      const words = ['--session', '--print-reply=literal', '--dest=org.freedesktop.DBus', '/'];
      const method = 'org.freedesktop.DBus.GetConnectionUnixProcessID';
      const pid = await output('dbus-send', [...words, method, `string:${OLD_NAME}`], {
        env: bridge.env,
      });
      expect(pid.trim()).toBe(`uint32 ${oldService.pid}`);
      const status = await output('busctl', ['--user', 'status', OLD_NAME], { env: bridge.env });
      expect(status).toContain(`PID=${oldService.pid}`);
    });

    test.each([
      { to: 'a service of the old bus', name: OLD_NAME, env: () => bridge.env },
      { to: 'a service behind the bridge', name: NEW_NAME, env: () => old.env },
    ])(`${CROWD} clients at once call $to, and leave nothing behind`, async ({ name, env }) => {
      const before = { here: await namesOn(bridge.env), there: await namesOn(old.env) };
      const words = [
        '--session',
        '--print-reply=literal',
        `--dest=${name}`,
        PATH,
        `${INTERFACE}.Sum`,
        'array:int32:2,3',
      ];
      const calls = Array.from({ length: CROWD }, () => run('dbus-send', words, { env: env() }));
      const results = await Promise.all(calls);
      expect(new Set(results.map(({ stdout, stderr }) => stdout.trim() + stderr))).toEqual(
        new Set(['int32 5']),
      );
      const after = { here: await namesOn(bridge.env), there: await namesOn(old.env) };
      expect(countOf(after)).toEqual(countOf(before));
    });
  });
});

/** Unique names are never the same again; each listing has one of its own. */
function countOf({ here, there }: { here: string[]; there: string[] }): unknown {
  const wellKnown = (names: string[]): string[] =>
    names.filter((name) => !name.startsWith(':')).toSorted();
  return {
    here: wellKnown(here),
    there: wellKnown(there),
    connectionsHere: here.length - wellKnown(here).length,
    connectionsThere: there.length - wellKnown(there).length,
  };
}
