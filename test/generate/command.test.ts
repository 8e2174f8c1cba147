// bus1-bridge generate, with files and with live objects.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { DBUS_DAEMON, startReferenceBus } from '../activation/reference-bus.js';
import {
  INTERFACE,
  PATH,
  startDbusNextService,
  type DbusNextService,
} from '../interop/dbus-next-service.js';
import { ROOT } from '../support/bus-command.js';
import { startBus } from '../support/bus.js';
import { type Environment, output, run } from '../support/process.js';
import { describeWith, needs } from '../support/software.js';
import { compile } from './compiler.js';

const BRIDGE = join(ROOT, 'dist/bridge/cli/bus1-bridge.js');
const GOLDEN = join(import.meta.dirname, 'golden');
const NAME = 'org.example.Generated';

const words = (line: readonly string[]): string[] => [BRIDGE, 'generate', ...line];
const generate = (line: readonly string[], env?: Environment): Promise<string> =>
  output(process.execPath, words(line), { env, cwd: GOLDEN });

function folderOfTest(): string {
  const folder = mkdtempSync(join(tmpdir(), 'generate-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe('from files', () => {
  const golden = (name: string): string => readFileSync(join(GOLDEN, name), 'utf8');

  test('to the standard output', async () => {
    expect(await generate(['upower.xml'])).toBe(golden('upower.ts'));
    expect(await generate([join(GOLDEN, 'upower.xml')])).toBe(golden('upower.ts'));
  });

  test('to a file', async () => {
    const file = join(folderOfTest(), 'upower.ts');
    expect(await generate(['upower.xml', '-o', file])).toBe('');
    expect(readFileSync(file, 'utf8')).toBe(golden('upower.ts'));
  });

  test('some interfaces of several files', async () => {
    const player = 'org.mpris.MediaPlayer2.Player';
    const options = ['--interface', player, '--interface', 'org.freedesktop.UPower'];
    const module = await generate([...options, 'media-player.xml', 'upower.xml']);
    expect(module).toContain('from media-player.xml, upower.xml;');
    expect(module.match(/^export const \w+/gm)).toEqual([
      'export const UPower',
      'export const Player',
    ]);
  });
});

const REFUSED: [string, RegExp][] = [
  ['', /give files with introspection XML, or --bus; see --help/],
  ['absent.xml', /cannot read "absent.xml": ENOENT \(no such file or directory\)$/m],
  ['--interface a.B upower.xml', /^bus1-bridge: upower.xml: no interface "a.B"; available: /],
  ['hostname.ts', /^bus1-bridge: hostname.ts:\d+:\d+: malformed XML/],
  [
    'upower.xml -o /nowhere/at/all',
    /cannot open "\/nowhere\/at\/all": ENOENT \(no such file or directory\)$/m,
  ],
  ['--bus session org.example.A', /--bus takes one bus name and one object path; see --help/],
  ['--bus session example /', /"example" is not a bus name/],
  ['--bus session org.example.A here', /"here" is not an object path/],
  ['--bus session org.example.A /', /neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set/],
  ['--bus nonsense org.example.A /', /address 'nonsense': .*a bus is 'session', 'system' or/],
  ['--bus unix:path=/nowhere org.example.A /', /unix:path=\/nowhere bus: connect: ENOENT/],
];

test.each(REFUSED)('"%s" is refused', async (line, reason) => {
  const given = words(line.split(' ').filter((word) => word !== ''));
  const env = { PATH: process.env['PATH'] };
  const { code, stdout, stderr } = await run(process.execPath, given, { cwd: GOLDEN, env });
  expect({ code, stdout }).toEqual({ code: stderr.endsWith('--help\n') ? 2 : 1, stdout: '' });
  expect(stderr.trimEnd()).toMatch(reason);
});

interface Bus {
  address: string;
  stop(): Promise<void>;
}

const BUSES: [string, () => Promise<Bus>][] = [
  ['the bus under test', startBus],
  ['dbus-daemon', startReferenceBus],
];

describeWith([needs(DBUS_DAEMON, 'dbus-daemon')], 'from a live object', () => {
  describe.each(BUSES)('on %s', (_, start) => {
    let bus: Bus;
    let service: DbusNextService;

    beforeAll(async () => {
      bus = await start();
      service = await startDbusNextService(bus.address, NAME);
    });

    afterAll(async () => {
      service.stop();
      await bus.stop();
    });

    test('the interface of a service', async () => {
      const module = await generate(['--bus', bus.address, NAME, PATH]);
      expect(module).toContain(`from ${NAME} ${PATH};`);
      expect(module.match(/^export const .*/gm)).toHaveLength(1);
      expect(module).toContain(`name: '${INTERFACE}'`);
      expect(module).toContain("Sum: { in: 'ai', out: 'i' }");
      expect(module).toContain("Label: { type: 's', access: 'readwrite' }");
      expect((await compile({ 'service.ts': module })).complaints).toEqual([]);
    });

    test('the bus itself, as the session bus', async () => {
      const line = ['--bus', 'session', 'org.freedesktop.DBus', '/org/freedesktop/DBus'];
      const module = await generate(line, { DBUS_SESSION_BUS_ADDRESS: bus.address });
      expect(module).toMatch(/^ {4}RequestName: \{ in: 'su', out: 'u' \},$/m);
      expect((await compile({ 'bus.ts': module })).complaints).toEqual([]);
    });

    test('the bus itself, as the system bus', async () => {
      const line = ['--bus', 'system', 'org.freedesktop.DBus', '/'];
      const wanted = ['--interface', 'org.freedesktop.DBus.Introspectable'];
      const env = { DBUS_SYSTEM_BUS_ADDRESS: bus.address };
      const module = await generate([...wanted, ...line], env);
      expect(module.match(/^export const \w+/gm)).toEqual(['export const Introspectable']);
    });

    test('a name that nobody owns', async () => {
      const given = words(['--bus', bus.address, 'org.example.Nobody', '/']);
      const { code, stderr } = await run(process.execPath, given);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^bus1-bridge: .* bus: .*org\.example\.Nobody/);
    });
  });
});
