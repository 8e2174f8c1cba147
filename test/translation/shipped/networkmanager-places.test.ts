// Where NetworkManager has objects that its template does not know: of objects with its interfaces.
import { isDeepStrictEqual } from 'node:util';
import dbus from 'dbus-next';
import { describe, expect, test } from 'vitest';
import { Capability, implement, type InterfaceDescription } from '#bridge/client/index.js';
import { MOCK_SOFTWARE, interfaceFiles } from '../../mappings/sources.js';
import { describeWith } from '../../support/software.js';
import { call, gone, listenTo, property } from '../bridge.js';
import { MockService } from './mock-service.js';
import { peersForAllTests } from './peers.js';

const NM = 'org.freedesktop.NetworkManager';
const PATH = '/org/freedesktop/NetworkManager';
const SETTINGS = `${PATH}/Settings`;
const TYPES = interfaceFiles(
  /^org\.freedesktop\.NetworkManager\./,
  'network-manager-dev',
  'org.freedesktop.NetworkManager.xml',
);

/** By kind: where it is, its interface, and a property that says which it is. */
const KINDS = {
  device: ['Devices/1', '.Device', 'Interface', 'eth0'],
  connection: ['Settings/1', '.Settings.Connection', 'Filename', 'office'],
  active: ['ActiveConnection/1', '.Connection.Active', 'Id', 'office'],
  point: ['AccessPoint/1', '.AccessPoint', 'HwAddress', '00:00:00:00:00:01'],
  peer: ['WifiP2PPeer/1', '.WifiP2PPeer', 'Name', 'tv'],
  checkpoint: ['Checkpoint/1', '.Checkpoint', 'RollbackTimeout', 60],
  ip4: ['IP4Config/1', '.IP4Config', 'Gateway', '127.0.0.1'],
  ip6: ['IP6Config/1', '.IP6Config', 'Gateway', '::1'],
  dhcp4: ['DHCP4Config/1', '.DHCP4Config', 'Options', {}],
  dhcp6: ['DHCP6Config/1', '.DHCP6Config', 'Options', {}],
} as const;
type Kind = keyof typeof KINDS;
const pathOf = (kind: Kind): string => `${PATH}/${KINDS[kind][0]}`;

const ONE: [of: string, name: string, kind: Kind][] = [
  ['', 'PrimaryConnection', 'active'],
  ['', 'ActivatingConnection', 'active'],
  ['.Connection.Active', 'Connection', 'connection'],
  ['.Connection.Active', 'SpecificObject', 'point'],
  ['.Connection.Active', 'Controller', 'device'],
  ['.Connection.Active', 'Master', 'device'],
  ['.Device', 'ActiveConnection', 'active'],
  ...['.Connection.Active', '.Device'].flatMap((of): typeof ONE => [
    [of, 'Ip4Config', 'ip4'],
    [of, 'Ip6Config', 'ip6'],
    [of, 'Dhcp4Config', 'dhcp4'],
    [of, 'Dhcp6Config', 'dhcp6'],
  ]),
  ...['IPTunnel', 'Lowpan', 'Macsec', 'Macvlan', 'Vlan', 'Vxlan'].map(
    (sort): (typeof ONE)[number] => [`.Device.${sort}`, 'Parent', 'device'],
  ),
  ['.Device.Veth', 'Peer', 'device'],
  ['.Device.Wireless', 'ActiveAccessPoint', 'point'],
];
const MANY: typeof ONE = [
  ['', 'Devices', 'device'],
  ['', 'AllDevices', 'device'],
  ['', 'ActiveConnections', 'active'],
  ['', 'Checkpoints', 'checkpoint'],
  ['.Connection.Active', 'Devices', 'device'],
  ['.Device', 'AvailableConnections', 'connection'],
  ['.Device', 'Ports', 'device'],
  ['.Checkpoint', 'Devices', 'device'],
  ...['Bond', 'Bridge', 'OvsBridge', 'OvsPort', 'Team'].map((sort): (typeof ONE)[number] => [
    `.Device.${sort}`,
    'Slaves',
    'device',
  ]),
  ['.Device.WifiP2P', 'Peers', 'peer'],
  ['.Device.Wireless', 'AccessPoints', 'point'],
];
const SORTS = [...new Set([...ONE, ...MANY].map(([of]) => of))].filter((of) =>
  of.startsWith('.Device.'),
);

/** What methods return, as Python has it: paths of objects, in brackets if there may be several. */
const RETURNS: [of: string, method: string, returns: string][] = [
  ['', 'GetDevices', `["${pathOf('device')}"]`],
  ['', 'GetAllDevices', `["${pathOf('device')}"]`],
  ['', 'GetDeviceByIpIface', `"${pathOf('device')}"`],
  ['', 'AddAndActivateConnection2', `("${pathOf('connection')}", "${pathOf('active')}", {})`],
  ['', 'CheckpointCreate', `"${pathOf('checkpoint')}"`],
  ['.Settings', 'AddConnectionUnsaved', `"${pathOf('connection')}"`],
  ['.Settings', 'AddConnection2', `("${pathOf('connection')}", {})`],
  ['.Device.Wireless', 'GetAccessPoints', `["${pathOf('point')}"]`],
  ['.Device.Wireless', 'GetAllAccessPoints', `["${pathOf('point')}"]`],
];
const codeOf = (of: string): Record<string, string> =>
  Object.fromEntries(
    RETURNS.filter(([own]) => own === of).map(([, name, ret]) => [name, `ret = ${ret}`]),
  );

/** The values of an interface's properties. */
const valuesOf = (of: string): Record<string, unknown> =>
  Object.fromEntries([
    ...ONE.filter(([own]) => own === of).map(([, name, kind]) => [name, pathOf(kind)]),
    ...MANY.filter(([own]) => own === of).map(([, name, kind]) => [name, [pathOf(kind)]]),
  ]);

describeWith([...MOCK_SOFTWARE, ...TYPES.software], 'NetworkManager', () => {
  let mock: MockService;
  let manager: Capability;
  const peers = peersForAllTests(async (all) => {
    mock = await MockService.start(all, { name: NM, path: PATH, interface: NM, types: [TYPES] });
    const none = { CheckpointAdjustRollbackTimeout: '', CheckpointDestroy: '' };
    const code = { ...codeOf(''), ...none, CheckpointRollback: 'ret = {}' };
    await mock.extend(PATH, NM, { code, properties: valuesOf('') });
    await mock.add(SETTINGS, `${NM}.Settings`, { code: codeOf('.Settings') });
    for (const [path, of, name, value] of Object.values(KINDS)) {
      const properties = { ...valuesOf(of), [name]: value };
      await mock.add(`${PATH}/${path}`, `${NM}${of}`, { properties });
    }
    for (const of of SORTS) {
      const more = { code: codeOf(of), properties: valuesOf(of) };
      await mock.extend(pathOf('device'), `${NM}${of}`, more);
    }
    await mock.add(`${PATH}/DnsManager`, `${NM}.DnsManager`, { properties: { Mode: 'default' } });
    await mock.add(`${PATH}/AgentManager`, `${NM}.AgentManager`);
    manager = await all.native.resolve(NM);
  });

  /** An object that has this interface. */
  const holderOf = async (of: string): Promise<Capability> => {
    if (of === '') return manager;
    if (of === '.Checkpoint') {
      return (await call(manager, `${NM}.CheckpointCreate`, 'aouu', [], 0, 0)) as Capability;
    }
    const [device] = (await call(manager, `${NM}.GetDevices`)) as Capability[];
    if (of !== '.Connection.Active') return device;
    return (await property(device, `${NM}.Device`, 'ActiveConnection')) as Capability;
  };
  const isA = async (kind: Kind, one: unknown): Promise<boolean> => {
    const [, of, name, value] = KINDS[kind];
    const found = await property(one as Capability, `${NM}${of}`, name);
    return isDeepStrictEqual(found instanceof Map ? Object.fromEntries(found) : found, value);
  };

  test.each(ONE)('NetworkManager%s has %s: a handle', async (of, name, kind) => {
    expect(await isA(kind, await property(await holderOf(of), `${NM}${of}`, name))).toBe(true);
  });

  test.each(MANY)('NetworkManager%s has %s: handles', async (of, name, kind) => {
    const [one] = (await property(await holderOf(of), `${NM}${of}`, name)) as unknown[];
    expect(await isA(kind, one)).toBe(true);
  });

  const results: [of: string, method: string, kinds: Kind[]][] = [
    ['', 'GetAllDevices', ['device']],
    ['', 'GetDeviceByIpIface', ['device']],
    ['.Device.Wireless', 'GetAccessPoints', ['point']],
    ['.Device.Wireless', 'GetAllAccessPoints', ['point']],
    ['.Settings', 'AddConnectionUnsaved', ['connection']],
    ['.Settings', 'AddConnection2', ['connection']],
  ];
  test.each(results)('NetworkManager%s.%s returns handles', async (of, member, kinds) => {
    const holder = await holderOf(of === '.Settings' ? '' : of);
    const { signature, values } = mock.argumentsOf(`${NM}${of}`, member);
    const method = { interface: `${NM}${of}`, member, signature, body: values };
    const { body } = await holder.call({
      ...method,
      ...(of === '.Settings' && { path: SETTINGS }),
    });
    for (const [index, kind] of kinds.entries())
      expect(await isA(kind, [body[index]].flat()[0])).toBe(true);
  });

  test('AddAndActivateConnection2 takes and returns handles', async () => {
    const device = await holderOf('.Device');
    const point = await property(device, `${NM}.Device.Wireless`, 'ActiveAccessPoint');
    const add = {
      interface: NM,
      member: 'AddAndActivateConnection2',
      signature: 'a{sa{sv}}ooa{sv}',
    };
    const { body } = await manager.call({ ...add, body: [new Map(), device, point, new Map()] });
    expect(await isA('connection', body[0])).toBe(true);
    expect(await isA('active', body[1])).toBe(true);
    const { args } = await mock.called('AddAndActivateConnection2');
    expect(args.slice(1, 3)).toEqual([pathOf('device'), pathOf('point')]);
  });

  describe('a checkpoint', () => {
    test.each([
      ['CheckpointDestroy', 'o'],
      ['CheckpointRollback', 'o'],
    ])('is made of devices, and ends with %s', async (method, types) => {
      const device = await holderOf('.Device');
      const checkpoint = await call(manager, `${NM}.CheckpointCreate`, 'aouu', [device], 60, 0);
      expect(await isA('checkpoint', checkpoint)).toBe(true);
      expect((await mock.called('CheckpointCreate')).args).toContainEqual([pathOf('device')]);
      await call(manager, `${NM}.CheckpointAdjustRollbackTimeout`, 'ou', checkpoint, 90);
      const { args } = await mock.called('CheckpointAdjustRollbackTimeout');
      expect(args).toEqual([pathOf('checkpoint'), 90]);
      const released = gone(checkpoint as Capability);
      await call(manager, `${NM}.${method}`, types, checkpoint);
      await released;
      expect((await mock.called(method)).args).toEqual([pathOf('checkpoint')]);
    });
  });

  test.each<[of: string, at: string, added: string, removed: string, kind: Kind]>([
    ['.Device.WifiP2P', pathOf('device'), 'PeerAdded', 'PeerRemoved', 'peer'],
    ['', PATH, 'DeviceAdded', 'DeviceRemoved', 'device'],
  ])('NetworkManager%s: what comes is a handle, and ends', async (of, at, added, removed, kind) => {
    const signals = await listenTo(peers.native, await holderOf(of));
    await mock.emit(at, [`${NM}${of}`, added], [pathOf(kind)]);
    const [one] = (await signals.next(added)).body as [Capability];
    expect(await isA(kind, one)).toBe(true);
    const released = gone(one);
    await mock.emit(at, [`${NM}${of}`, removed], [pathOf(kind)]);
    expect((await signals.next(removed)).body[0]).toBeInstanceOf(Capability);
    await released;
  });

  test.each<[string, (connection: Capability) => Promise<unknown>]>([
    ['Delete', (connection) => call(connection, `${NM}.Settings.Connection.Delete`)],
    ['Removed', () => mock.emit(pathOf('connection'), [`${NM}.Settings.Connection`, 'Removed'])],
    [
      'ConnectionRemoved',
      () => mock.emit(SETTINGS, [`${NM}.Settings`, 'ConnectionRemoved'], [pathOf('connection')]),
    ],
  ])('a connection ends by %s', async (_what, end) => {
    const add = { member: 'AddConnectionUnsaved', signature: 'a{sa{sv}}', body: [new Map()] };
    const of = { path: SETTINGS, interface: `${NM}.Settings` };
    const [connection] = (await manager.call({ ...of, ...add })).body as [Capability];
    const released = gone(connection);
    await end(connection);
    await released;
    expect(connection.live).toBe(false);
  });

  test('objects that always have the same path are reached by it', async () => {
    const dns = { path: `${PATH}/DnsManager`, interface: 'org.freedesktop.DBus.Properties' };
    const mode = { member: 'Get', signature: 'ss', body: [`${NM}.DnsManager`, 'Mode'] };
    expect((await manager.call({ ...dns, ...mode })).body[0]).toMatchObject({ value: 'default' });
  });

  // These have one path in every program, and are told paths.
  test('who keeps passwords registers, and is called', async () => {
    const agents = { path: `${PATH}/AgentManager`, interface: `${NM}.AgentManager` };
    await manager.call({ ...agents, member: 'Register', signature: 's', body: ['org.example'] });
    expect((await mock.called('Register')).args).toEqual(['org.example']);
    const heard: unknown[] = [];
    const description: InterfaceDescription = {
      name: `${NM}.SecretAgent`,
      methods: { DeleteSecrets: { in: 'a{sa{sv}}o', out: '' } },
      properties: {},
      signals: {},
    };
    const methods = { DeleteSecrets: (_all: unknown, path: unknown) => void heard.push(path) };
    const path = `${PATH}/SecretAgent`;
    peers.native.serve(path, [implement(description, { methods })]);
    const of = [description.name, 'DeleteSecrets'] as const;
    const values = [new dbus.Variant('a{sa{sv}}', {}), new dbus.Variant('o', pathOf('connection'))];
    await mock.ask(peers.native.uniqueName, path, of, 'a{sa{sv}}o', ...values);
    expect(heard).toEqual([pathOf('connection')]);
  });
});
