import { describe, expect, test } from 'vitest';
import { chooseActivationRoute } from '#bridge/activation/activation-route.js';
import { parseServiceFile } from '#bridge/activation/service-file.js';
import {
  composeActivationRequest,
  composeSetEnvironment,
  composeUnsetEnvironment,
  parseActivationFailure,
} from '#bridge/activation/systemd.js';
import { MessageType } from '#bridge/wire/types.js';

const UNIT = 'dbus-org.example.Name.service';

describe('what the bus says to systemd', () => {
  test('start this unit', () => {
    expect(composeActivationRequest(UNIT)).toEqual({
      type: MessageType.Signal,
      noReplyExpected: true,
      sender: 'org.freedesktop.DBus',
      destination: 'org.freedesktop.systemd1',
      path: '/org/freedesktop/DBus',
      interface: 'org.freedesktop.systemd1.Activator',
      member: 'ActivationRequest',
      signature: 's',
      body: [UNIT],
    });
  });

  test.each([
    [
      composeSetEnvironment(
        new Map([
          ['A', '1'],
          ['B', ''],
        ]),
      ),
      'SetEnvironment',
      ['A=1', 'B='],
    ],
    [composeSetEnvironment([]), 'SetEnvironment', []],
    [composeUnsetEnvironment(['A']), 'UnsetEnvironment', ['A']],
  ])('this is the environment: %#', (message, member, strings) => {
    expect(message).toEqual({
      type: MessageType.MethodCall,
      noReplyExpected: true,
      sender: 'org.freedesktop.DBus',
      destination: 'org.freedesktop.systemd1',
      path: '/org/freedesktop/systemd1',
      interface: 'org.freedesktop.systemd1.Manager',
      member,
      signature: 'as',
      body: [strings],
    });
  });
});

describe('what systemd says to the bus', () => {
  test('a unit could not be started', () => {
    expect(parseActivationFailure('sss', [UNIT, 'com.example.Nope', 'Computer says no'])).toEqual({
      unit: UNIT,
      failure: { errorName: 'com.example.Nope', message: 'Computer says no' },
    });
  });

  test('an error name that cannot be sent on is replaced', () => {
    expect(parseActivationFailure('sss', [UNIT, 'nonsense', ''])?.failure.errorName).toBe(
      'org.freedesktop.DBus.Error.Failed',
    );
  });

  test.each([
    ['ss', [UNIT, 'com.example.Nope']],
    ['ssu', [UNIT, 'com.example.Nope', 1]],
    ['', []],
  ])('malformed: %j', (signature, body) => {
    expect(parseActivationFailure(signature, body)).toBeUndefined();
  });
});

describe('the way to a name', () => {
  const service = (keys: string) =>
    parseServiceFile(
      'f',
      new TextEncoder().encode(`[D-BUS Service]\nName=a.b\nExec=/bin/true\n${keys}`),
    ).service;
  const plain = service('');
  const unit = service(`SystemdService=${UNIT}`);

  test.each([
    ['a.b', undefined, false, { kind: 'unknown' }],
    ['a.b', undefined, true, { kind: 'unknown' }],
    ['a.b', plain, false, { kind: 'spawn', service: plain }],
    ['a.b', plain, true, { kind: 'spawn', service: plain }],
    ['a.b', unit, false, { kind: 'spawn', service: unit }],
    ['a.b', unit, true, { kind: 'systemd', service: unit, unit: UNIT }],
    ['org.freedesktop.systemd1', undefined, false, { kind: 'unknown' }],
    ['org.freedesktop.systemd1', undefined, true, { kind: 'await-systemd' }],
    ['org.freedesktop.systemd1', plain, false, { kind: 'spawn', service: plain }],
    ['org.freedesktop.systemd1', plain, true, { kind: 'await-systemd' }],
  ])('%#: %s', (name, file, systemdActivation, route) => {
    expect(chooseActivationRoute(name, file, systemdActivation)).toEqual(route);
  });
});
