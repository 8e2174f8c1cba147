// gdbus(1): GLib's D-Bus implementation.
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
import { connect } from '../support/names.js';
import { type DbusNextService, startDbusNextService } from './dbus-next-service.js';

const NAME = 'org.example.Interop';
const PATH = '/org/example/Interop';
const TO_SERVICE = ['--session', '--dest', NAME, '--object-path', PATH];
const BUS = ['--dest', 'org.freedesktop.DBus', '--object-path', '/org/freedesktop/DBus'];
const TO_BUS = ['--session', ...BUS];

describeWith([needs('gdbus', 'libglib2.0-bin')], 'gdbus', () => {
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
  const gdbus = (...args: string[]) => output('gdbus', args, { env: bus.env });
  const call = (method: string, ...args: string[]) =>
    gdbus('call', ...TO_SERVICE, '--method', `${NAME}.${method}`, ...args);
  const callBus = (method: string, ...args: string[]) =>
    gdbus('call', ...TO_BUS, '--method', `org.freedesktop.DBus.${method}`, ...args);

  test.each([
    ['Sum', ['[1, 2, -40]'], '(-37,)\n'],
    ['Echo', ["<{'a': <(int16 1, @as [])>}>"], "(<{'a': <(int16 1, @as [])>}>,)\n"],
    ['Echo', ['<uint64 18446744073709551615>'], '(<uint64 18446744073709551615>,)\n'],
    ['Raw.Mirror', ['1', "'two'"], "(1, 'two')\n"],
  ])('calls a service: %s %j', async (method, args, expected) => {
    await expect(call(method, ...args)).resolves.toBe(expected);
  });

  test('shows the error of a service', async () => {
    await expect(call('Refuse')).rejects.toThrow(
      'Error: GDBus.Error:org.example.Interop.Error.Refused: on purpose',
    );
  });

  test.each([
    ['NameHasOwner', [NAME], '(true,)\n'],
    ['NameHasOwner', ['no.such.Name'], '(false,)\n'],
    ['GetNameOwner', ['org.freedesktop.DBus'], "('org.freedesktop.DBus',)\n"],
    ['ListActivatableNames', [], "(['org.freedesktop.DBus'],)\n"],
    ['ListQueuedOwners', ['org.freedesktop.DBus'], "(['org.freedesktop.DBus'],)\n"],
    ['GetConnectionUnixUser', [NAME], `(uint32 ${process.getuid!()},)\n`],
    ['GetConnectionUnixProcessID', [NAME], `(uint32 ${process.pid},)\n`],
    ['Peer.Ping', [], '()\n'],
  ])('calls the bus: %s %j', async (method, args, expected) => {
    await expect(callBus(method, ...args)).resolves.toBe(expected);
  });

  test.each([
    ['Monitoring.BecomeMonitor', ["['nonsense']", '0'], 'MatchRuleInvalid'],
    ['GetConnectionUnixUser', ['no.such.Name'], 'NameHasNoOwner'],
    ['GetConnectionCredentials', ['no.such.Name'], 'NameHasNoOwner'],
    ['StartServiceByName', ['no.such.Name', 'uint32 0'], 'ServiceUnknown'],
    // Also a name that has an owner is unknown if no .service file could start it.
    ['StartServiceByName', [NAME, 'uint32 0'], 'ServiceUnknown'],
    ['Hello', [], 'Failed: Already handled an Hello message'],
  ])('the bus refuses: %s %j', async (method, args, error) => {
    await expect(callBus(method, ...args)).rejects.toThrow(`org.freedesktop.DBus.Error.${error}`);
  });

  test('shows the credentials of a connection', async () => {
    const credentials = await callBus('GetConnectionCredentials', NAME);
    expect(credentials).toContain(`'ProcessID': <uint32 ${process.pid}>`);
    expect(credentials).toContain(`'UnixUserID': <uint32 ${process.getuid!()}>`);
    expect(credentials).toMatch(/'UnixGroupIDs': <\[uint32 \d+/);
  });

  test('introspects the bus', async () => {
    const xml = await gdbus('introspect', ...TO_BUS, '--xml');
    for (const name of ['', '.Introspectable', '.Monitoring', '.Peer', '.Properties']) {
      expect(xml).toContain(`<interface name="org.freedesktop.DBus${name}">`);
    }
    for (const member of ['Hello', 'RequestName', 'AddMatch', 'NameOwnerChanged']) {
      expect(xml).toContain(`name="${member}"`);
    }
  });

  test('walks from the root to the object of the bus', async () => {
    const args = ['--session', '--dest', 'org.freedesktop.DBus', '--object-path', '/'];
    const text = await gdbus('introspect', ...args, '--recurse');
    expect(text).toContain('node /org/freedesktop/DBus {');
  });

  test('introspects a service, with the values of its properties', async () => {
    const text = await gdbus('introspect', ...TO_SERVICE);
    expect(text).toContain(`interface ${NAME} {`);
    expect(text).toContain('readonly u Version = 7;');
    expect(text).toContain("readwrite s Label = 'first';");
  });

  test('monitors the signals of a name, and its owner', async () => {
    const monitor = start('gdbus', ['monitor', '--session', '--dest', NAME], { env: bus.env });
    await monitor.waitForLine(/^The name org\.example\.Interop is owned by :1\.\d+$/);
    await call('Tick', 'seen');
    await monitor.waitForLine(/^\/org\/example\/Interop: \S+\.Ticked \('seen',\)$/);
    await service.bus.releaseName(NAME);
    await monitor.waitForLine(/^The name org\.example\.Interop does not have an owner$/);
    await service.bus.requestName(NAME, 0);
    await monitor.waitForLine(/^The name org\.example\.Interop is owned by :1\.\d+$/);
    expect(await monitor.stop()).toMatchObject({ signal: 'SIGTERM' });
  });

  test('emits a broadcast, and a signal to one connection', async () => {
    const receiver = await connect(bus.address);
    const received = new Promise<unknown[]>((resolve) => {
      const values: unknown[] = [];
      receiver.on('message', (message) => {
        if (message.interface !== 'org.example.Emitted') return;
        values.push(...message.body);
        if (values.length === 2) resolve(values);
      });
    });
    const { name } = Object(receiver);
    const emit = ['emit', '--session', '--object-path', '/', '--signal', 'org.example.Emitted.Now'];
    // No match rule asks for the broadcast, so only the second and third arrive.
    await gdbus(...emit, "'broadcast'");
    await gdbus(...emit, '--dest', name, "'directed'");
    await gdbus(...emit, '--dest', name, "'again'");
    await expect(received).resolves.toEqual(['directed', 'again']);
    receiver.disconnect();
  });

  test('waits for a name until somebody owns it', async () => {
    const late = 'org.example.Late';
    const waiting = start('gdbus', ['wait', '--session', late], { env: bus.env });
    await service.bus.requestName(late, 0);
    await expect(waiting.ended).resolves.toMatchObject({ code: 0 });
    // Now that it is there, waiting ends at once.
    await gdbus('wait', '--session', late);
    await service.bus.releaseName(late);
  });

  test('fails where no bus listens', async () => {
    const args = ['call', '--address', 'unix:path=/nowhere/bus', ...BUS];
    const result = await run('gdbus', [...args, '--method', 'org.freedesktop.DBus.GetId']);
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining('Could not connect') });
  });
});
