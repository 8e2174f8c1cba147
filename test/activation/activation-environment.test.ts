import { describe, expect, test } from 'vitest';
import { ActivationEnvironment } from '#bridge/activation/activation-environment.js';

const ADDRESS = 'unix:path=/run/bus,guid=0';

describe('the activation environment', () => {
  test('is inherited from the bus, without what was told to the bus alone', () => {
    const environment = new ActivationEnvironment({
      HOME: '/h',
      EMPTY: '',
      UNSET: undefined,
      INVOCATION_ID: '1',
      JOURNAL_STREAM: '1',
      LISTEN_FDNAMES: '1',
      LISTEN_FDS: '1',
      LISTEN_PID: '1',
      NOTIFY_SOCKET: '1',
    });
    expect(environment.forService(ADDRESS, undefined)).toEqual({
      HOME: '/h',
      EMPTY: '',
      DBUS_STARTER_ADDRESS: ADDRESS,
    });
  });

  test.each([
    ['session', 'DBUS_SESSION_BUS_ADDRESS'],
    ['system', 'DBUS_SYSTEM_BUS_ADDRESS'],
  ] as const)('says which bus it is: %s', (type, variable) => {
    const environment = new ActivationEnvironment({});
    environment.update([
      ['DBUS_STARTER_ADDRESS', 'forged'],
      ['DBUS_STARTER_BUS_TYPE', 'forged'],
      [variable, 'forged'],
    ]);
    expect(environment.forService(ADDRESS, type)).toEqual({
      DBUS_STARTER_ADDRESS: ADDRESS,
      DBUS_STARTER_BUS_TYPE: type,
      [variable]: ADDRESS,
    });
  });

  test('takes what a process can have and names the rest', () => {
    const environment = new ActivationEnvironment({});
    const refused = environment.update([
      ['A', '1'],
      ['', 'no name'],
      ['B=C', 'no such name'],
      ['D\0', 'no such name'],
      ['E', 'no such\0value'],
      ['EMPTY', ''],
      ['-odd', 'a=b'],
      ['A', '2'],
    ]);
    expect(refused).toEqual(['', 'B=C', 'D\0', 'E']);
    expect(environment.forService(ADDRESS, undefined)).toMatchObject({
      A: '2',
      EMPTY: '',
      '-odd': 'a=b',
    });
  });

  test('forgets variables, and those that were inherited too', () => {
    const environment = new ActivationEnvironment({ DISPLAY: ':0' });
    environment.set('WAYLAND_DISPLAY', 'wayland-0');
    expect(
      ['DISPLAY', 'WAYLAND_DISPLAY', 'DISPLAY'].map((name) => environment.unset(name)),
    ).toEqual([true, true, false]);
    expect(environment.forService(ADDRESS, undefined)).toEqual({ DBUS_STARTER_ADDRESS: ADDRESS });
  });

  test('a service keeps the environment it was started with', () => {
    const environment = new ActivationEnvironment({ A: '1' });
    const before = environment.forService(ADDRESS, undefined);
    environment.set('A', '2');
    expect(before['A']).toBe('1');
  });
});
