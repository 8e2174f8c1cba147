// Where a bus is looked for: by programs that join it, and by every command that takes one.
import { describe, expect, test } from 'vitest';
import { join, joinSync, type JoinOptions } from '#bridge/client/index.js';
import { authorityPaths } from '#bridge/client/reach.js';
import { busAddress, NoBusError, type BusAddress } from '#bridge/wire/bus-address.js';

const RUNTIME = { XDG_RUNTIME_DIR: '/run/user/1' };
const SYSTEM = 'unix:path=/var/run/dbus/system_bus_socket';

describe('an address is found as by libdbus', () => {
  test.each<[string, Record<string, string>, string]>([
    ['session', { DBUS_SESSION_BUS_ADDRESS: 'unix:path=/s' }, 'unix:path=/s'],
    ['session', { ...RUNTIME, DBUS_SESSION_BUS_ADDRESS: 'unix:path=/s' }, 'unix:path=/s'],
    ['session', { ...RUNTIME, DBUS_SESSION_BUS_ADDRESS: '' }, 'unix:path=/run/user/1/bus'],
    ['session', RUNTIME, 'unix:path=/run/user/1/bus'],
    ['session', { XDG_RUNTIME_DIR: '/a b' }, 'unix:path=/a%20b/bus'],
    ['system', {}, SYSTEM],
    ['system', { DBUS_SYSTEM_BUS_ADDRESS: '' }, SYSTEM],
    ['system', { DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/y' }, 'unix:path=/y'],
    ['starter', { DBUS_STARTER_ADDRESS: 'unix:path=/z' }, 'unix:path=/z'],
    ['unix:path=/x', RUNTIME, 'unix:path=/x'],
    ['unix:runtime=yes', RUNTIME, 'unix:path=/run/user/1/bus'],
    ['unix:abstract=a;tcp:host=h,port=1', {}, 'unix:abstract=a;tcp:host=h,port=1'],
  ])('%s with %j', (bus, environment, text) => {
    expect(busAddress(bus, environment).text).toBe(text);
  });

  test.each([
    ['session', {}, /neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set/],
    ['starter', {}, /DBUS_STARTER_ADDRESS is not set/],
    ['nonsense', {}, /no colon.*\(a bus is 'session', 'system' or a D-Bus address\)/],
    [
      'session',
      { DBUS_SESSION_BUS_ADDRESS: 'nonsense' },
      /no colon.*\(in DBUS_SESSION_BUS_ADDRESS\)/,
    ],
  ])('%s with %j: there is none', (bus, environment, message) => {
    const find = (): BusAddress => busAddress(bus, environment);
    expect(find).toThrow(NoBusError);
    expect(find).toThrow(message);
  });
});

describe('the authority of a bus listens beside it', () => {
  test.each<[string, string[]]>([
    ['unix:path=/run/bus', ['/run/bus.bus1']],
    ['unix:path=/a%20b', ['/a b.bus1']],
    ['unix:abstract=name,guid=00', ['\0name.bus1']],
    ['unix:runtime=yes', ['/run/user/1/bus.bus1']],
    ['bus1:path=/run/authority', ['/run/authority']],
    ['tcp:host=a,port=1;unix:path=/b;unix:abstract=c', ['/b.bus1', '\0c.bus1']],
    ['tcp:host=a', []],
  ])('%s', (address, paths) => {
    expect(authorityPaths(busAddress(address, RUNTIME))).toEqual(paths);
  });
});

const Refused: [JoinOptions, RegExp][] = [
  [{ address: 'unix:path=/nowhere/bus' }, /cannot be reached; .*ENOENT/],
  [{ address: 'unix:path=/nowhere/bus', transport: 'domain' }, /no domain can be reached.*ENOENT/],
  [{ address: 'tcp:host=localhost,port=1' }, /cannot be reached; .*ECONNREFUSED/],
  [
    { address: 'tcp:host=localhost,port=1', transport: 'domain' },
    /no socket path beside which a domain could listen/,
  ],
  [{ address: 'autolaunch:' }, /cannot connect by the transport "autolaunch"/],
  [{ address: 'unix:tmpdir=/tmp' }, /"unix:tmpdir=\/tmp" has neither path nor abstract/],
  [{ address: 'tcp:host=localhost' }, /"tcp:host=localhost" has no port that is a number/],
  [{ address: 'nonsense' }, /no colon/],
];

test.each(Refused)('%j cannot be joined', async (options, message) => {
  await expect(join(options)).rejects.toMatchObject({
    code: 'JoinFailed',
    message: expect.stringMatching(message),
  });
  expect(() => joinSync(options)).toThrow(message);
});

test('the error says by its cause why each way led nowhere', () => {
  const join = (): unknown => joinSync({ address: 'unix:path=/nowhere/bus' });
  const errors = [/ENOENT/, /ENOENT/].map((message) =>
    expect.objectContaining({ message: expect.stringMatching(message) }),
  );
  expect(join).toThrow(
    expect.objectContaining({ code: 'JoinFailed', cause: expect.objectContaining({ errors }) }),
  );
});
