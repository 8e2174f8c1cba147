// A service that is killed in the middle of a call: its caller learns it at once, not at a time-out.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type RunningBus,
  describeWith,
  needs,
  needsPythonModule,
  start,
  startBus,
} from '../support/bus.js';
import { connect, watchNames } from '../support/names.js';
import { startPythonService } from '../support/python.js';
import { PYTHON } from '../support/software.js';

const NAME = 'org.example.Interop';
const METHOD = [`--dest=${NAME}`, '/org/example/Interop', `${NAME}.Hang`];
// INT_MAX, which libdbus takes for "no time-out": only the bus can end such a call.
const FOREVER = '--reply-timeout=2147483647';
const SOFTWARE = [
  needs('dbus-send', 'dbus-bin'),
  needs(PYTHON, 'python3'),
  needsPythonModule('dbus', 'python3-dbus'),
  needsPythonModule('gi', 'python3-gi'),
];

describeWith(SOFTWARE, 'a service is killed', () => {
  let bus: RunningBus;
  beforeEach(async () => {
    bus = await startBus();
  });
  afterEach(() => bus.stop());

  describe.each(['service_libdbus.py', 'service_gdbus.py'])('%s', (script) => {
    test('its caller gets NoReply', async () => {
      const service = await startPythonService(script, NAME, bus.env);
      const args = ['--session', '--print-reply', FOREVER, ...METHOD];
      const caller = start('dbus-send', args, { env: bus.env });
      await service.waitForLine(/^hanging$/);
      service.kill('SIGKILL');
      await expect(caller.ended).resolves.toMatchObject({
        code: 1,
        stderr:
          'Error org.freedesktop.DBus.Error.NoReply: ' +
          'Message recipient disconnected from message bus without replying\n',
      });
    });

    test('its names are free for the next', async () => {
      const observer = await connect(bus.address);
      const watch = await watchNames(observer);
      const first = await startPythonService(script, NAME, bus.env);
      const firstOwner = await watch.owned(NAME);
      first.kill('SIGKILL');
      await watch.gone(NAME);
      await watch.gone(firstOwner);
      const second = await startPythonService(script, NAME, bus.env);
      await expect(watch.owned(NAME)).resolves.not.toBe(firstOwner);
      observer.disconnect();
      await second.stop();
    });
  });

  test('a caller that is killed does not disturb its service', async () => {
    const service = await startPythonService('service_libdbus.py', NAME, bus.env);
    const args = ['--session', '--print-reply', FOREVER, ...METHOD];
    for (let calls = 0; calls < 3; calls += 1) {
      const caller = start('dbus-send', args, { env: bus.env });
      await service.waitForLine(/^hanging$/);
      caller.kill('SIGKILL');
      await caller.ended;
    }
    expect(await service.stop()).toMatchObject({ signal: 'SIGTERM' });
  });
});
