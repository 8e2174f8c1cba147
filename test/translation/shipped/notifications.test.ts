// Notifications, of the notification_daemon template: what shows them for real needs a display.
import dbus from 'dbus-next';
import { expect, test } from 'vitest';
import type { Capability } from '#bridge/client/index.js';
import { MOCK_SOFTWARE } from '../../mappings/sources.js';
import { describeWith } from '../../support/software.js';
import { call, legacyCall, listenTo } from '../bridge.js';
import { MockService } from './mock-service.js';
import { peersForAllTests } from './peers.js';

const NAME = 'org.freedesktop.Notifications';
const PATH = '/org/freedesktop/Notifications';
const TYPES = 'susssasa{sv}i';
const words = (summary: string) => ['test', 0, '', summary, 'body', ['default', 'Open']];

describeWith(MOCK_SOFTWARE, 'notifications', () => {
  let mock: MockService;
  let notifications: Capability;
  const peers = peersForAllTests(async (all) => {
    const template = 'notification_daemon';
    mock = await MockService.start(all, { name: NAME, path: PATH, template });
    notifications = await all.native.resolve(NAME);
  });

  const notify = (summary: string): Promise<unknown> =>
    call(notifications, `${NAME}.Notify`, TYPES, ...words(summary), new Map(), -1);
  const legacy = (member: string, signature = '', body: unknown[] = []) =>
    legacyCall(peers.legacy, {
      destination: NAME,
      path: PATH,
      interface: NAME,
      member,
      signature,
      body,
    });

  test('they are numbers, for whoever it is', async () => {
    const first = (await notify('native')) as number;
    const body = [...words('legacy'), {}, -1];
    expect(await legacy('Notify', TYPES, body)).toEqual([first + 1]);
    expect((await mock.called('Notify')).args[3]).toBe('native');
    expect((await mock.called('Notify')).args[3]).toBe('legacy');
  });

  test('that one is closed is heard through the handle', async () => {
    const signals = await listenTo(peers.native, notifications);
    const id = await notify('close me');
    await call(notifications, `${NAME}.CloseNotification`, 'i', id);
    expect((await signals.next('NotificationClosed')).body).toEqual([id, 1]);
  });

  test('and by match rules, as ever', async () => {
    const rule = { sender: NAME, member: 'ActionInvoked' };
    const signals = peers.native.signals(rule)[Symbol.asyncIterator]();
    const heard = signals.next();
    await peers.native.settled();
    const id = (await notify('click me')) as number;
    const clicked = [new dbus.Variant('u', id), new dbus.Variant('s', 'default')];
    await mock.control('EmitSignal', 'sssav', [NAME, 'ActionInvoked', 'us', clicked]);
    expect((await heard).value).toMatchObject({ path: PATH, body: [id, 'default'] });
    await signals.return?.();
  });

  test('what the server can do', async () => {
    const capabilities = await call(notifications, `${NAME}.GetCapabilities`);
    expect([capabilities]).toEqual(await legacy('GetCapabilities'));
    const information = { interface: NAME, member: 'GetServerInformation' };
    expect((await notifications.call(information)).body[0]).toBe('mock-notify');
  });
});
