// xdg-desktop-portal and its documents portal. The desktop behind them, which would open dialogs, is a stand-in.
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import dbus from 'dbus-next';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Capability, Variant } from '#bridge/client/index.js';
import { openFolder } from '../../support/bus-command.js';
import { type Program, start } from '../../support/process.js';
import { describeWith, needs, needsFile } from '../../support/software.js';
import { call, gone, legacyCall, listenTo } from '../bridge.js';
import { peersForAllTests } from './peers.js';
import { PortalBackend } from './portal-backend.js';

const PORTAL = 'org.freedesktop.portal';
const DESKTOP = `${PORTAL}.Desktop`;
const DOCUMENTS = `${PORTAL}.Documents`;
const STORE = 'org.freedesktop.impl.portal.PermissionStore';
const PATH = '/org/freedesktop/portal/desktop';
const SOFTWARE = [
  needs('/usr/libexec/xdg-desktop-portal', 'xdg-desktop-portal'),
  needs('fusermount3', 'fuse3'),
  needsFile('/dev/fuse', 'fuse3'),
  needs('dbus-monitor', 'dbus-bin'),
];
const NONE = new Map<string, Variant>();
/** As g_icon_serialize() has it: a PNG of one pixel. */
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
const ICON = new Variant('(sv)', ['bytes', new Variant('ay', Buffer.from(PIXEL, 'base64'))]);

describeWith(SOFTWARE, 'portals', () => {
  const folder = openFolder('portals-');
  const file = join(folder, 'file');
  writeFileSync(file, 'text');
  const fd = openSync(file, 'r');
  let backend: PortalBackend;
  let desktop: Capability;

  const peers = peersForAllTests(async ({ bridge, native }) => {
    backend = await PortalBackend.start(bridge.address, folder);
    await bridge.service(['/usr/libexec/xdg-permission-store'], STORE);
    await bridge.service(['/usr/libexec/xdg-document-portal'], DOCUMENTS);
    await bridge.service(['/usr/libexec/xdg-desktop-portal'], DESKTOP, {
      XDG_DESKTOP_PORTAL_DIR: folder,
      XDG_CURRENT_DESKTOP: 'test',
      DBUS_SYSTEM_BUS_ADDRESS: bridge.address,
    });
    desktop = await native.resolve(DESKTOP);
  });
  afterAll(() => {
    backend.stop();
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });

  const ask = async (method: string, types: string, ...body: unknown[]): Promise<Capability> => {
    const request = await call(desktop, `${PORTAL}.${method}`, types, ...body);
    expect(request).toBeInstanceOf(Capability);
    return request as Capability;
  };

  /** Asks for something, lets the desktop answer, and hears the results. */
  const getResults = async (
    method: string,
    types: string,
    body: unknown[],
    asked = method.split('.')[1],
    results = {},
  ): Promise<Map<string, Variant>> => {
    const request = await ask(method, types, ...body);
    const released = gone(request);
    const signals = await listenTo(peers.native, request);
    backend.answer(await backend.called(asked), results);
    const {
      body: [response, all],
    } = await signals.next('Response');
    expect(response).toBe(0);
    await released;
    return all as Map<string, Variant>;
  };

  describe('a dialog is a handle, until it has been answered', () => {
    test.each<[method: string, types: string, body: unknown[], asked?: string]>([
      ['Account.GetUserInformation', 'sa{sv}', ['', NONE]],
      ['Device.AccessDevice', 'uasa{sv}', [process.pid, ['speakers'], NONE], 'AccessDialog'],
      ['Email.ComposeEmail', 'sa{sv}', ['', NONE]],
      ['FileChooser.OpenFile', 'ssa{sv}', ['', 'Open', NONE]],
      ['FileChooser.SaveFile', 'ssa{sv}', ['', 'Save', NONE]],
      ['FileChooser.SaveFiles', 'ssa{sv}', ['', 'Save', NONE]],
      ['OpenURI.OpenURI', 'ssa{sv}', ['', 'x-test:a', NONE], 'ChooseApplication'],
      ['OpenURI.OpenFile', 'sha{sv}', ['', fd, NONE], 'ChooseApplication'],
      ['OpenURI.OpenDirectory', 'sha{sv}', ['', fd, NONE], 'ChooseApplication'],
      ['Print.PreparePrint', 'ssa{sv}a{sv}a{sv}', ['', 'Print', NONE, NONE, NONE]],
      ['Screenshot.Screenshot', 'sa{sv}', ['', NONE]],
      ['Screenshot.PickColor', 'sa{sv}', ['', NONE]],
      ['Wallpaper.SetWallpaperURI', 'ssa{sv}', ['', `file://${file}`, NONE]],
      ['Wallpaper.SetWallpaperFile', 'sha{sv}', ['', fd, NONE], 'SetWallpaperURI'],
    ])('%s', async (method, types, body, asked) => {
      expect(await getResults(method, types, body, asked)).toBeInstanceOf(Map);
    });
  });

  /** What the desktop is told to close. */
  const toldToClose = async (): Promise<string | undefined> => {
    const close = await backend.called('Close');
    backend.answer(close);
    return close.path;
  };

  describe('an answer waits for whoever asked', () => {
    let monitor: Program;
    beforeAll(async () => {
      backend.isPrompt = true;
      const rule = "type='signal',member='Response'";
      monitor = start('dbus-monitor', ['--address', peers.bridge.address, rule]);
      await monitor.waitForLine(/NameLost/);
    });
    afterAll(async () => {
      backend.isPrompt = false;
      await monitor.stop();
    });

    test.each<[method: string, types: string, body: unknown[]]>([
      ['Account.GetUserInformation', 'sa{sv}', ['', NONE]],
      ['Background.RequestBackground', 'sa{sv}', ['', NONE]],
      ['Camera.AccessCamera', 'a{sv}', [NONE]],
      ['DynamicLauncher.PrepareInstall', 'ssva{sv}', ['', 'Example', ICON, NONE]],
      ['FileChooser.OpenFile', 'ssa{sv}', ['', 'Open', NONE]],
      ['Print.Print', 'ssha{sv}', ['', 'Print', fd, NONE]],
      ['Screenshot.Screenshot', 'sa{sv}', ['', NONE]],
      ['Secret.RetrieveSecret', 'ha{sv}', [fd, NONE]],
    ])('%s', async (method, types, body) => {
      const request = await ask(method, types, ...body);
      await monitor.waitForLine(/member=Response/);
      expect(request.live).toBe(true);
      const released = gone(request);
      const signals = await listenTo(peers.native, request);
      expect((await signals.next('Response')).body).toEqual([expect.any(Number), expect.any(Map)]);
      await released;
    });
  });

  test('a request that is closed by who made it', async () => {
    const request = await ask('Inhibit.Inhibit', 'sua{sv}', '', 1, NONE);
    const {
      body: [path],
    } = await backend.called('Inhibit');
    expect(path).toMatch(`${PATH}/request/${peers.native.uniqueName.slice(1).replace('.', '_')}/`);
    const released = gone(request);
    const closed = call(request, `${PORTAL}.Request.Close`);
    expect(await toldToClose()).toBe(path);
    await closed;
    await released;
  });

  /** Programs choose the names of their sessions; results have them as text. */
  const openSession = async (name: string, method: string, ...window: string[]) => {
    const options = new Map([['session_handle_token', new Variant('s', name)]]);
    const types = [...window.map(() => 's'), 'a{sv}'].join('');
    const results = await getResults(method, types, [...window, options]);
    const session = results.get('session_handle')!.value;
    expect(session).toBeInstanceOf(Capability);
    return session as Capability;
  };
  const pathOf = (name: string): string => {
    const sender = peers.native.uniqueName.slice(1).replace('.', '_');
    return `${PATH}/session/${sender}/${name}`;
  };

  test('a session that is used, heard of, and closed with its last handle', async () => {
    const session = await openSession('shortcuts', 'GlobalShortcuts.CreateSession');
    const path = pathOf('shortcuts');
    const bind = [session, [['key', NONE]], '', NONE];
    await getResults('GlobalShortcuts.BindShortcuts', 'oa(sa{sv})sa{sv}', bind);
    await getResults('GlobalShortcuts.ListShortcuts', 'oa{sv}', [session, NONE]);
    const signals = await listenTo(peers.native, desktop);
    const said: [member: string, signature: string, ...body: unknown[]][] = [
      ['Activated', 'osta{sv}', path, 'key', 1n, {}],
      ['Deactivated', 'osta{sv}', path, 'key', 2n, {}],
      ['ShortcutsChanged', 'oa(sa{sv})', path, []],
    ];
    for (const [member, signature, ...body] of said) {
      backend.emit(`GlobalShortcuts.${member}`, signature, body);
      const [same] = (await signals.next(member)).body as [Capability];
      expect(same).toBeInstanceOf(Capability);
      same.release();
    }
    session.release();
    expect(await toldToClose()).toBe(path);
  });

  test('a session that the desktop closes', async () => {
    const session = await openSession('monitor', 'Inhibit.CreateMonitor', '');
    const signals = await listenTo(peers.native, desktop);
    backend.emit('Inhibit.StateChanged', 'oa{sv}', [pathOf('monitor'), {}]);
    const [same] = (await signals.next('StateChanged')).body as [Capability];
    const response = call(desktop, `${PORTAL}.Inhibit.QueryEndResponse`, 'o', same);
    const {
      body: [path],
    } = await backend.called('QueryEndResponse');
    expect(path).toBe(pathOf('monitor'));
    await response;
    const released = Promise.all([gone(session), gone(same)]);
    backend.emit('Session.Closed', '', [], pathOf('monitor'));
    await released;
  });

  test('a session that its owner closes', async () => {
    const session = await openSession('cast', 'ScreenCast.CreateSession');
    await getResults('ScreenCast.SelectSources', 'oa{sv}', [session, NONE]);
    const open = call(desktop, `${PORTAL}.ScreenCast.OpenPipeWireRemote`, 'oa{sv}', session, NONE);
    await expect(open).rejects.toThrow('No streams available');
    const start = await ask('ScreenCast.Start', 'osa{sv}', session, '', NONE);
    const {
      body: [, path],
    } = await backend.called('Start');
    expect(path).toBe(pathOf('cast'));
    const released = gone(session);
    const closed = call(session, `${PORTAL}.Session.Close`);
    expect(await toldToClose()).toBe(path);
    await closed;
    await released;
    start.release();
  });

  test('a session that a result names', async () => {
    const options = new Map([['session_handle_token', new Variant('s', 'location')]]);
    const session = await call(desktop, `${PORTAL}.Location.CreateSession`, 'a{sv}', options);
    expect(session).toBeInstanceOf(Capability);
    // Nothing here knows where it is.
    const request = await ask('Location.Start', 'osa{sv}', session, '', NONE);
    const released = gone(request);
    await (await listenTo(peers.native, request)).next('Response');
    await released;
  });

  describe('input for another desktop', () => {
    let session: Capability;
    beforeAll(async () => {
      session = await openSession('input', 'RemoteDesktop.CreateSession');
      await getResults('RemoteDesktop.SelectDevices', 'oa{sv}', [session, NONE]);
      await getResults('ScreenCast.SelectSources', 'oa{sv}', [session, NONE]);
      const monitor = [0, { size: new dbus.Variant('(ii)', [800, 600]) }];
      const results = {
        devices: new dbus.Variant('u', 7),
        streams: new dbus.Variant('a(ua{sv})', [monitor]),
      };
      await getResults('RemoteDesktop.Start', 'osa{sv}', [session, '', NONE], 'Start', results);
    });

    test.each<[method: string, types: string, ...rest: number[]]>([
      ['NotifyPointerMotion', 'dd', 1, 2],
      ['NotifyPointerMotionAbsolute', 'udd', 0, 1, 2],
      ['NotifyPointerButton', 'iu', 272, 1],
      ['NotifyPointerAxis', 'dd', 1, 2],
      ['NotifyPointerAxisDiscrete', 'ui', 0, 1],
      ['NotifyKeyboardKeycode', 'iu', 30, 1],
      ['NotifyKeyboardKeysym', 'iu', 97, 1],
      ['NotifyTouchDown', 'uudd', 0, 0, 1, 2],
      ['NotifyTouchMotion', 'uudd', 0, 0, 1, 2],
      ['NotifyTouchUp', 'u', 0],
    ])('%s', async (method, types, ...rest) => {
      const body = [session, NONE, ...rest];
      await call(desktop, `${PORTAL}.RemoteDesktop.${method}`, `oa{sv}${types}`, ...body);
      const {
        body: [path, , ...numbers],
      } = await backend.called(method);
      expect([path, ...numbers]).toEqual([pathOf('input'), ...rest]);
    });
  });

  test('a session that is guessed is none', async () => {
    const made = pathOf('made');
    const list = call(desktop, `${PORTAL}.GlobalShortcuts.ListShortcuts`, 'oa{sv}', made, NONE);
    await expect(list).rejects.toMatchObject({ name: 'org.freedesktop.DBus.Error.AccessDenied' });
  });

  test('a program that uses strings gets paths', async () => {
    const [path] = await legacyCall(peers.legacy, {
      destination: DESKTOP,
      path: PATH,
      interface: `${PORTAL}.Email`,
      member: 'ComposeEmail',
      signature: 'sa{sv}',
      body: ['', { handle_token: new dbus.Variant('s', 'mine') }],
    });
    expect(path).toMatch(/^\/org\/freedesktop\/portal\/desktop\/request\/\w+\/mine$/);
    const {
      body: [asked],
    } = await backend.called('ComposeEmail');
    expect(asked).toBe(path);
  });

  test('documents, which are known by text', async () => {
    const documents = await peers.native.resolve(DOCUMENTS);
    const id = await call(documents, `${DOCUMENTS}.Add`, 'hbb', fd, true, false);
    const [path] = await legacyCall(peers.legacy, {
      destination: DOCUMENTS,
      path: '/org/freedesktop/portal/documents',
      interface: DOCUMENTS,
      member: 'Info',
      signature: 's',
      body: [id],
    });
    expect(String(path)).toBe(`${file}\0`);
    const key = await call(documents, `${PORTAL}.FileTransfer.StartTransfer`, 'a{sv}', NONE);
    await call(documents, `${PORTAL}.FileTransfer.StopTransfer`, 's', key);
  });
});
