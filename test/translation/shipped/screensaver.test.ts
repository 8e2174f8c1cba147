// Whoever holds the handle may lock the screen and keep it on. What really does that needs a display.
import { expect, test } from 'vitest';
import type { Capability } from '#bridge/client/index.js';
import { MOCK_SOFTWARE, recorded } from '../../mappings/sources.js';
import type { Program } from '../../support/process.js';
import { describeWith } from '../../support/software.js';
import { call, gone, legacyCall, listenTo } from '../bridge.js';
import { MockService } from './mock-service.js';
import { peersForAllTests } from './peers.js';

describeWith(MOCK_SOFTWARE, 'the screen saver of all desktops', () => {
  const NAME = 'org.freedesktop.ScreenSaver';
  const PATH = '/org/freedesktop/ScreenSaver';
  let mock: MockService;
  let screenSaver: Capability;
  const peers = peersForAllTests(async (all) => {
    const types = [recorded('screensaver.xml')];
    mock = await MockService.start(all, { name: NAME, path: PATH, interface: NAME, types });
    const code = { Inhibit: 'ret = 7', GetActive: 'ret = True' };
    await mock.extend(PATH, NAME, { code: { ...code, UnInhibit: '' } });
    screenSaver = await all.native.resolve(NAME);
  });

  test('inhibiting, by a number', async () => {
    const reason = ['player', 'a film'];
    expect(await call(screenSaver, `${NAME}.Inhibit`, 'ss', ...reason)).toBe(7);
    await call(screenSaver, `${NAME}.UnInhibit`, 'u', 7);
    expect(await mock.called('Inhibit')).toEqual({ path: PATH, args: reason });
    expect(await mock.called('UnInhibit')).toEqual({ path: PATH, args: [7] });
  });

  test('that the screen has been locked', async () => {
    const signals = await listenTo(peers.native, screenSaver);
    await mock.emit(PATH, [NAME, 'ActiveChanged'], [true]);
    expect((await signals.next('ActiveChanged')).body).toEqual([true]);
    expect(await call(screenSaver, `${NAME}.GetActive`)).toBe(true);
  });
});

describeWith(MOCK_SOFTWARE, "GNOME's screen saver", () => {
  const NAME = 'org.gnome.ScreenSaver';
  const PATH = '/org/gnome/ScreenSaver';
  let service: Program;
  let screenSaver: Capability;
  const peers = peersForAllTests(async (all) => {
    service = await all.bridge.mock('gnome_screensaver', NAME);
    screenSaver = await all.native.resolve(NAME);
  });
  const legacy = (member: string, signature = '', body: unknown[] = []) =>
    legacyCall(peers.legacy, {
      destination: NAME,
      path: PATH,
      interface: NAME,
      member,
      signature,
      body,
    });

  test('what one program does the other sees', async () => {
    const signals = await listenTo(peers.native, screenSaver);
    await call(screenSaver, `${NAME}.SetActive`, 'b', true);
    expect((await signals.next('ActiveChanged')).body).toEqual([true]);
    expect(await legacy('GetActive')).toEqual([true]);
    await legacy('SetActive', 'b', [false]);
    expect((await signals.next('ActiveChanged')).body).toEqual([false]);
    expect(await call(screenSaver, `${NAME}.GetActive`)).toBe(false);
  });

  test('the handle ends with the service', async () => {
    const released = gone(screenSaver);
    await service.stop();
    await released;
    expect(screenSaver.live).toBe(false);
  });
});
