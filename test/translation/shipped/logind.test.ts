// Sessions, of the logind template: systemd-logind makes them only for who has rights over the whole machine.
import { closeSync, fstatSync } from 'node:fs';
import dbus from 'dbus-next';
import { expect, test } from 'vitest';
import { Capability } from '#bridge/client/index.js';
import { MOCK_SOFTWARE, systemdDaemon } from '../../mappings/sources.js';
import { describeWith } from '../../support/software.js';
import { call, gone, legacyCall, listenTo, property } from '../bridge.js';
import { MockService } from './mock-service.js';
import { peersForAllTests } from './peers.js';

const NAME = 'org.freedesktop.login1';
const PATH = '/org/freedesktop/login1';
const MANAGER = `${NAME}.Manager`;
const LOGIND = systemdDaemon('/lib/systemd/systemd-logind');
const ERROR = 'org.freedesktop.DBus.Error';

/** By kind: where it is, its interface, and a property that says which it is. */
const KINDS = {
  session: [`${PATH}/session/c1`, `${NAME}.Session`, 'Id', 'c1'],
  user: [`${PATH}/user/1000`, `${NAME}.User`, 'Name', 'joe'],
  seat: [`${PATH}/seat/seat0`, `${NAME}.Seat`, 'Id', 'seat0'],
} as const;
type Kind = keyof typeof KINDS;

describeWith([...MOCK_SOFTWARE, ...LOGIND.software], 'logind', () => {
  let mock: MockService;
  let manager: Capability;
  const peers = peersForAllTests(async (all) => {
    const options = { name: NAME, path: PATH, template: 'logind', types: [LOGIND] };
    mock = await MockService.start(all, options);
    for (const id of ['c1', 'c2']) {
      await mock.control('AddSession', 'ssusb', [id, 'seat0', 1000, 'joe', true]);
    }
    const code = {
      GetUser: `ret = "${KINDS.user[0]}"`,
      GetUserByPID: `ret = "${KINDS.user[0]}"`,
      GetSessionByPID: `ret = "${KINDS.session[0]}"`,
    };
    await mock.extend(PATH, MANAGER, { code });
    const Display = new dbus.Variant('(so)', ['c1', KINDS.session[0]]);
    const [user, of] = KINDS.user;
    const properties = 'org.freedesktop.DBus.Properties';
    await mock.control('Set', 'ssv', [of, 'Display', Display], user, properties);
    manager = await all.native.resolve(NAME);
  });

  const get = (method: string, types = '', ...args: unknown[]): Promise<unknown> =>
    call(manager, `${MANAGER}.${method}`, types, ...args);
  const getOne: Readonly<Record<Kind, () => Promise<unknown>>> = {
    session: () => get('GetSession', 's', 'c1'),
    user: () => get('GetUser', 'u', 1000),
    seat: () => get('GetSeat', 's', 'seat0'),
  };
  const legacy = (member: string, signature = '', body: unknown[] = []) => {
    const to = { destination: NAME, path: PATH, interface: MANAGER };
    return legacyCall(peers.legacy, { ...to, member, signature, body });
  };
  const isA = async (kind: Kind, one: unknown): Promise<boolean> => {
    const [, of, name, value] = KINDS[kind];
    return (await property(one as Capability, of, name)) === value;
  };

  test.each<[string, string, unknown[], Kind]>([
    ['GetSession', 's', ['c1'], 'session'],
    ['GetSessionByPID', 'u', [1], 'session'],
    ['GetUser', 'u', [1000], 'user'],
    ['GetUserByPID', 'u', [1], 'user'],
    ['GetSeat', 's', ['seat0'], 'seat'],
  ])(
    '%s returns a handle, and a string for a legacy program',
    async (method, types, args, kind) => {
      expect(await isA(kind, await get(method, types, ...args))).toBe(true);
      expect(await legacy(method, types, args)).toEqual([KINDS[kind][0]]);
    },
  );

  test.each<[string, number, Kind]>([
    ['ListSessions', 4, 'session'],
    ['ListUsers', 2, 'user'],
    ['ListSeats', 1, 'seat'],
  ])('%s returns handles, and strings for a legacy program', async (method, field, kind) => {
    const [first] = (await get(method)) as unknown[][];
    expect(await isA(kind, first[field])).toBe(true);
    const [[same]] = (await legacy(method)) as unknown[][][];
    expect(same[field]).toBe(KINDS[kind][0]);
  });

  test.each<[Kind, string, Kind]>([
    ['session', 'User', 'user'],
    ['session', 'Seat', 'seat'],
    ['user', 'Display', 'session'],
  ])('from a %s by %s to a %s', async (from, name, to) => {
    const object = (await getOne[from]()) as Capability;
    const [, other] = (await property(object, KINDS[from][1], name)) as [unknown, Capability];
    expect(await isA(to, other)).toBe(true);
  });

  test('a seat and a user know their sessions', async () => {
    const [seat, user] = [await getOne.seat(), await getOne.user()] as [Capability, Capability];
    for (const [object, of] of [
      [seat, KINDS.seat[1]],
      [user, KINDS.user[1]],
    ] as const) {
      const sessions = (await property(object, of, 'Sessions')) as [string, Capability][];
      expect(sessions.map(([id]) => id)).toEqual(['c1', 'c2']);
      expect(await isA('session', sessions[0][1])).toBe(true);
    }
    const [id, active] = (await property(seat, KINDS.seat[1], 'ActiveSession')) as [
      string,
      Capability,
    ];
    expect(await property(active, KINDS.session[1], 'Id')).toBe(id);
  });

  test('a path that is known, or guessed, is nothing that can be called', async () => {
    const guess = { path: KINDS.session[0], interface: KINDS.session[1], member: 'Lock' };
    await expect(manager.call(guess)).rejects.toMatchObject({ name: `${ERROR}.UnknownObject` });
    const made = { destination: NAME, ...guess };
    await expect(peers.native.call(made)).rejects.toThrow(
      /call its object through the handle to that/,
    );
    expect(await legacyCall(peers.legacy, made)).toEqual([]);
  });

  test('what is for pam_systemd alone is not there', async () => {
    for (const [method, types, ...args] of [
      ['ReleaseSession', 's', 'c9'],
      ['CreateSession', ''],
    ]) {
      await expect(get(method, types, ...args)).rejects.toMatchObject({
        name: `${ERROR}.UnknownMethod`,
      });
    }
    expect(await legacy('ReleaseSession', 's', ['c9'])).toEqual([]);
    expect((await mock.called('ReleaseSession')).args).toEqual(['c9']);
  });

  test('a session is locked by its handle', async () => {
    const session = (await get('GetSession', 's', 'c1')) as Capability;
    const signals = await listenTo(peers.native, session);
    await call(session, `${KINDS.session[1]}.Lock`);
    await signals.next('Lock');
    expect(await mock.called('Lock')).toEqual({ path: KINDS.session[0], args: [] });
  });

  test('a descriptor in a result', async () => {
    const fd = (await get('Inhibit', 'ssss', 'idle', 'test', 'for a test', 'block')) as number;
    expect(fstatSync(fd).isFIFO()).toBe(true);
    closeSync(fd);
  });

  test.each<[string, unknown, Kind]>([
    ['Session', 'c1', 'session'],
    ['User', 1000, 'user'],
    ['Seat', 'seat0', 'seat'],
  ])('%s: what is new comes as a handle, and ends', async (what, id, kind) => {
    const signals = await listenTo(peers.native, manager);
    await mock.emit(PATH, [MANAGER, `${what}New`], [id, KINDS[kind][0]]);
    const added = (await signals.next(`${what}New`)).body[1] as Capability;
    expect(await isA(kind, added)).toBe(true);
    const other = (await get('GetSession', 's', 'c2')) as Capability;
    const released = [added, (await getOne[kind]()) as Capability].map((one) => gone(one));
    await mock.emit(PATH, [MANAGER, `${what}Removed`], [id, KINDS[kind][0]]);
    expect((await signals.next(`${what}Removed`)).body[1]).toBeInstanceOf(Capability);
    await Promise.all(released);
    expect(other.live).toBe(true);
  });
});
