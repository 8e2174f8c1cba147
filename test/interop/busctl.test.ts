// busctl(1): systemd's D-Bus implementation, which authenticates without waiting for replies.
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type RunningBus,
  describeWith,
  needs,
  output,
  run,
  start,
  startBus,
} from '../support/bus.js';
import { type DbusNextService, startDbusNextService } from './dbus-next-service.js';

const NAME = 'org.example.Interop';
const PATH = '/org/example/Interop';
const BUS_NAME = 'org.freedesktop.DBus';
const BUS_PATH = '/org/freedesktop/DBus';
const BUS = [BUS_NAME, BUS_PATH, BUS_NAME];

describeWith([needs('busctl', 'systemd')], 'busctl', () => {
  let bus: RunningBus;
  let service: DbusNextService;
  beforeAll(async () => {
    bus = await startBus();
    service = await startDbusNextService(bus.address, NAME);
  });
  afterAll(async () => {
    service.stop();
    await bus.stop();
  });
  const words = (...args: string[]) => [`--address=${bus.address}`, '--no-pager', ...args];
  const busctl = (...args: string[]) => output('busctl', words(...args), { env: bus.env });
  const tick = (text: string) => busctl('call', NAME, PATH, NAME, 'Tick', 's', text);

  test('lists names with the processes behind them', async () => {
    const rows = (await busctl('list', '--no-legend')).split('\n').map((row) => row.split(/\s+/));
    const named = (name: string) => rows.find((row) => row[0] === name);
    expect(named(NAME)?.[1]).toBe(String(process.pid));
    expect(named(NAME)?.[4]).toMatch(/^:1\.\d+$/);
    expect(named('org.freedesktop.DBus')?.[1]).toBe(String(bus.pid));
  });

  test('shows the status of a service, and of the bus itself', async () => {
    await expect(busctl('status', NAME)).resolves.toContain(`PID=${process.pid}\n`);
    await expect(busctl('status')).resolves.toContain(`PID=${bus.pid}\n`);
  });

  test.each([
    ['Sum', ['ai', '2', '1', '2'], 'i 3\n'],
    ['Echo', ['v', 'a{sv}', '1', 'k', 'd', '0.5'], 'v a{sv} 1 "k" d 0.5\n'],
    ['Echo', ['v', 't', '18446744073709551615'], 'v t 18446744073709551615\n'],
    ['Tick', ['s', 'x'], ''],
  ])('calls a service: %s %j', async (method, args, expected) => {
    await expect(busctl('call', NAME, PATH, NAME, method, ...args)).resolves.toBe(expected);
  });

  test('shows the text of an error', async () => {
    const result = await run('busctl', words('call', NAME, PATH, NAME, 'Refuse'));
    expect(result).toMatchObject({ code: 1, stderr: 'Call failed: on purpose\n' });
  });

  test('introspects a service', async () => {
    const table = (await busctl('introspect', NAME, PATH)).replaceAll(/ +/g, ' ');
    expect(table).toContain('.Sum method ai i -\n');
    expect(table).toContain('.Ticked signal s - -\n');
    expect(table).toContain('.Version property u 7 emits-change\n');
  });

  test('introspects the bus', async () => {
    const table = (await busctl('introspect', BUS_NAME, BUS_PATH)).replaceAll(/ +/g, ' ');
    expect(table).toContain('.RequestName method su u -\n');
    expect(table).toContain('.NameOwnerChanged signal sss - -\n');
    expect(table).toMatch(/\.Interfaces property as \d .*"org\.freedesktop\.DBus\.Monitoring"/);
    expect(table).toMatch(/\.Features property as \d /);
  });

  test('walks the tree of a service, and of the bus', async () => {
    await expect(busctl('tree', '--list', NAME)).resolves.toContain(`${PATH}\n`);
    await expect(busctl('tree', '--list', BUS_NAME)).resolves.toContain(`${BUS_PATH}\n`);
  });

  test('gets and sets properties', async () => {
    await busctl('set-property', NAME, PATH, NAME, 'Label', 's', 'set by sd-bus');
    await expect(busctl('get-property', NAME, PATH, NAME, 'Label', 'Version')).resolves.toBe(
      's "set by sd-bus"\nu 7\n',
    );
    await expect(busctl('get-property', ...BUS, 'Features')).resolves.toMatch(/^as \d /);
    const set = await run('busctl', words('set-property', ...BUS, 'Features', 'as', '0'));
    expect(set.code).toBe(1);
  });

  test('emits a signal', async () => {
    const seen = new Promise((resolve) => {
      service.bus.on('message', (message) => {
        if (message.member === 'Emitted') resolve(message.body);
      });
    });
    const to = `--destination=${NAME}`;
    await busctl('emit', '/', 'org.example.Busctl', 'Emitted', 'si', 'text', '1', to);
    await expect(seen).resolves.toEqual(['text', 1]);
  });

  test('monitors the calls, replies and signals of one service', async () => {
    const monitor = start('busctl', words('monitor', NAME), { env: bus.env });
    await monitor.waitForLine(/^Monitoring bus message stream\.$/, 'stderr');
    await tick('seen');
    await monitor.waitForLine(/Type=method_call/);
    await monitor.waitForLine(/Destination=org\.example\.Interop .*Member=Tick$/);
    await monitor.waitForLine(/STRING "seen";/);
    await monitor.waitForLine(/Type=signal/);
    await monitor.waitForLine(/Member=Ticked$/);
    await monitor.waitForLine(/Type=method_return/);
    expect(await monitor.stop()).toMatchObject({ signal: 'SIGTERM' });
  });

  test('captures into a pcap file', async () => {
    const capture = start('busctl', words('capture'), { env: bus.env });
    await capture.waitForLine(/^Monitoring bus message stream\.$/, 'stderr');
    await tick('captured by busctl');
    await capture.waitForLine(/captured by busctl/);
    const { stdout } = await capture.stop();
    // The magic number of pcapng.
    expect(stdout.slice(0, 4)).toBe('\n\r\r\n');
  });
});
