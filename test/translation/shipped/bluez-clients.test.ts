// What programs register with BlueZ, for it to call: agents, profiles and endpoints.
import { closeSync, fstatSync } from 'node:fs';
import dbus from 'dbus-next';
import { beforeAll, describe, expect, test } from 'vitest';
import { Capability, implement } from '#bridge/client/index.js';
import { MOCK_SOFTWARE } from '../../mappings/sources.js';
import { describeWith } from '../../support/software.js';
import { call, property } from '../bridge.js';
import { Bluez, PHONE, path } from './bluez.js';
import { A_PIPE } from './mock-service.js';
import { peersForAllTests } from './peers.js';

const DEVICE = 'org.bluez.Device1';
const TRANSPORT = 'org.bluez.MediaTransport1';
const TRANSPORTS = [`${PHONE}/fd0`, `${PHONE}/sep1/fd1`];
const NOTHING = new Map();

/** By method: its types. */
type Methods = Readonly<Record<string, readonly [takes: string, returns: string]>>;

describeWith(MOCK_SOFTWARE, 'what BlueZ calls in a native peer', () => {
  let bluez: Bluez;
  const peers = peersForAllTests(async (all) => {
    bluez = await Bluez.start(all);
  });
  /** What the native peer was given last. */
  let given: unknown[];

  const offer = (name: string, types: Methods, answers: Readonly<Record<string, unknown>> = {}) => {
    const members = Object.entries(types).map(([member, [takes, returns]]) => [
      member,
      { in: takes, out: returns },
    ]);
    const hear = (member: string): [string, (...args: unknown[]) => unknown] => [
      member,
      (...args: unknown[]) => {
        given = args.slice(0, -1);
        return answers[member];
      },
    ];
    const methods = Object.fromEntries(Object.keys(types).map(hear));
    const description = { name, methods: Object.fromEntries(members), properties: {}, signals: {} };
    return peers.native.export([implement(description, { methods })]);
  };
  const aliasOf = (device: unknown) => property(device as Capability, DEVICE, 'Alias');
  /** BlueZ calls what was registered with it. */
  const ask = (offered: unknown, method: string, types: string, ...args: dbus.Variant[]) => {
    const [of, member] = method.split('.');
    const who = [peers.native.uniqueName, String(offered)] as const;
    return bluez.mock.ask(...who, [`org.bluez.${of}`, member], types, ...args);
  };

  describe('an agent', () => {
    let offered: unknown;
    let agent: Capability;
    beforeAll(async () => {
      const types = {
        RequestPinCode: ['o', 's'],
        DisplayPinCode: ['os', ''],
        RequestPasskey: ['o', 'u'],
        DisplayPasskey: ['ouq', ''],
        RequestConfirmation: ['ou', ''],
        RequestAuthorization: ['o', ''],
        AuthorizeService: ['os', ''],
      } as const;
      agent = offer('org.bluez.Agent1', types, { RequestPinCode: '1234', RequestPasskey: 4321 });
      await bluez.manager('RegisterAgent', 'os', agent, 'KeyboardDisplay');
      [offered] = (await bluez.mock.called('RegisterAgent')).args;
    });

    const [text, number, count] = [
      new dbus.Variant('s', 'x'),
      new dbus.Variant('u', 1),
      new dbus.Variant('q', 2),
    ];
    test.each<[string, string, dbus.Variant[], unknown]>([
      ['RequestPinCode', 'o', [], '1234'],
      ['DisplayPinCode', 'os', [text], undefined],
      ['RequestPasskey', 'o', [], 4321],
      ['DisplayPasskey', 'ouq', [number, count], undefined],
      ['RequestConfirmation', 'ou', [number], undefined],
      ['RequestAuthorization', 'o', [], undefined],
      ['AuthorizeService', 'os', [text], undefined],
    ])('%s names the device by a handle', async (member, types, more, answer) => {
      expect(await ask(offered, `Agent1.${member}`, types, path(PHONE), ...more)).toBe(answer);
      const [device, ...others] = given;
      expect(await aliasOf(device)).toBe('phone');
      expect(others).toEqual(more.map(({ value }) => value));
    });

    test.each(['RequestDefaultAgent', 'UnregisterAgent'])(
      '%s: by the same path',
      async (member) => {
        await bluez.manager(member, 'o', agent);
        expect((await bluez.mock.called(member)).args).toEqual([offered]);
      },
    );
  });

  test('a profile gets connections: a device and a descriptor', async () => {
    const types = { NewConnection: ['oha{sv}', ''], RequestDisconnection: ['o', ''] } as const;
    const profile = offer('org.bluez.Profile1', types);
    await bluez.manager('RegisterProfile', 'osa{sv}', profile, 'uuid', NOTHING);
    const [offered] = (await bluez.mock.called('RegisterProfile')).args;
    await ask(
      offered,
      'Profile1.NewConnection',
      'oha{sv}',
      path(PHONE),
      A_PIPE,
      new dbus.Variant('a{sv}', {}),
    );
    const [device, fd] = given as [Capability, number];
    expect(await aliasOf(device)).toBe('phone');
    expect(fstatSync(fd).isFIFO()).toBe(true);
    closeSync(fd);
    await ask(offered, 'Profile1.RequestDisconnection', 'o', path(PHONE));
    expect(await aliasOf(given[0])).toBe('phone');
    await bluez.manager('UnregisterProfile', 'o', profile);
    expect((await bluez.mock.called('UnregisterProfile')).args).toEqual([offered]);
  });

  test('an endpoint is offered transports, which lead to their devices', async () => {
    const properties = { Device: PHONE };
    for (const one of TRANSPORTS) await bluez.mock.add(one, TRANSPORT, { properties });
    const types = { SetConfiguration: ['oa{sv}', ''], ClearConfiguration: ['o', ''] } as const;
    const endpoint = offer('org.bluez.MediaEndpoint1', types);
    const adapter = await bluez.adapter();
    await call(adapter, 'org.bluez.Media1.RegisterEndpoint', 'oa{sv}', endpoint, NOTHING);
    const [offered] = (await bluez.mock.called('RegisterEndpoint')).args;
    const settings = new dbus.Variant('a{sv}', { Device: path(PHONE) });
    for (const one of TRANSPORTS) {
      await ask(offered, 'MediaEndpoint1.SetConfiguration', 'oa{sv}', path(one), settings);
      const [transport, told] = given as [Capability, Map<string, { value: unknown }>];
      expect(await aliasOf(told.get('Device')!.value)).toBe('phone');
      expect(await aliasOf(await property(transport, TRANSPORT, 'Device'))).toBe('phone');
      await ask(offered, 'MediaEndpoint1.ClearConfiguration', 'o', path(one));
      expect(given).toEqual([expect.any(Capability)]);
    }
    await call(adapter, 'org.bluez.Media1.UnregisterEndpoint', 'o', endpoint);
    expect((await bluez.mock.called('UnregisterEndpoint')).args).toEqual([offered]);
  });
});
