// dbus-monitor(1): sees everything as a monitor, and falls back to match rules with eavesdrop=true.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type RunningBus,
  describeWith,
  needs,
  output,
  run,
  sessionConfig,
  start,
  startBus,
} from '../support/bus.js';
import { connect } from '../support/names.js';
import type { Program } from '../support/process.js';
import { type DbusNextService, startDbusNextService } from './dbus-next-service.js';

const NAME = 'org.example.Interop';
const PATH = '/org/example/Interop';

describeWith(
  [needs('dbus-monitor', 'dbus-bin'), needs('dbus-send', 'dbus-bin')],
  'dbus-monitor',
  () => {
    let bus: RunningBus;
    let service: DbusNextService;
    const setUp = async (config?: string) => {
      bus = await startBus({ config });
      service = await startDbusNextService(bus.address, NAME);
    };
    afterEach(async () => {
      service.stop();
      await bus.stop();
    });

    /** Starts dbus-monitor; the bus takes away its name once it is a monitor. */
    const startMonitor = async (...args: string[]): Promise<Program> => {
      const monitor = start('dbus-monitor', ['--session', ...args], { env: bus.env });
      await monitor.waitForLine(/NameLost/);
      return monitor;
    };
    const send = (...args: string[]) =>
      output('dbus-send', ['--session', `--dest=${NAME}`, ...args], { env: bus.env });
    const tick = (text: string) => send('--print-reply', PATH, `${NAME}.Tick`, `string:${text}`);

    describe('as a monitor', () => {
      beforeEach(() => setUp());

      test('sees a client from its greeting to its end, in order', async () => {
        const monitor = await startMonitor();
        await tick('seen');
        await monitor.waitForLine(/^method call .*sender=(:1\.\d+) .*member=Hello$/);
        await monitor.waitForLine(
          /^method return .*sender=org\.freedesktop\.DBus .*reply_serial=1$/,
        );
        await monitor.waitForLine(/^signal .*member=NameOwnerChanged$/);
        await monitor.waitForLine(/^signal .*member=NameAcquired$/);
        await monitor.waitForLine(
          /^method call .*destination=org\.example\.Interop .*member=Tick$/,
        );
        await monitor.waitForLine(/^ {3}string "seen"$/);
        await monitor.waitForLine(/^signal .*destination=\(null destination\) .*member=Ticked$/);
        await monitor.waitForLine(/^method return .*reply_serial=2$/);
        await monitor.waitForLine(/^signal .*member=NameOwnerChanged$/);
        expect(await monitor.stop()).toMatchObject({ signal: 'SIGTERM' });
      });

      test('sees calls that fail, and why', async () => {
        const monitor = await startMonitor();
        await run(
          'dbus-send',
          ['--session', '--print-reply', '--dest=no.such.Name', '/', 'a.b.Lost'],
          { env: bus.env },
        );
        await monitor.waitForLine(/^method call .*destination=no\.such\.Name .*member=Lost$/);
        await monitor.waitForLine(/^error .*error_name=\S+\.ServiceUnknown reply_serial=2$/);
        expect(await monitor.stop()).toMatchObject({ signal: 'SIGTERM' });
      });

      test('has no name: nobody sees it on the bus', async () => {
        const before = await connect(bus.address);
        const monitor = await startMonitor();
        const names = await output(
          'dbus-send',
          [
            '--session',
            '--print-reply=literal',
            '--dest=org.freedesktop.DBus',
            '/',
            'org.freedesktop.DBus.ListNames',
          ],
          { env: bus.env },
        );
        // The service, the connection opened before the monitor, dbus-send.
        expect(names.match(/:1\.\d+/g)).toHaveLength(3);
        before.disconnect();
        expect(await monitor.stop()).toMatchObject({ signal: 'SIGTERM' });
      });

      test('sees only what matches, if rules are given', async () => {
        const monitor = await startMonitor("type='signal',member='Ticked'", "arg0='argument'");
        await tick('ignored call');
        await send('--print-reply', PATH, `${NAME}.Raw.Mirror`, 'string:argument');
        await monitor.waitForLine(/member=Mirror$/);
        const { stdout } = await monitor.stop();
        const afterNameLost = stdout.slice(stdout.indexOf('NameLost'));
        expect(afterNameLost.match(/member=\w+/g)).toEqual(['member=Ticked', 'member=Mirror']);
      });

      test.each([
        ['--profile', /^mc\t[\d.]+\t\d+\t:1\.\d+\torg\.example\.Interop\t.*\tTick$/m],
        ['--binary', /Tick/],
        ['--pcap', /Tick/],
      ])('writes %s', async (option, pattern) => {
        const monitor = start('dbus-monitor', ['--session', option], { env: bus.env });
        await monitor.waitForText(/NameLost/);
        await tick('seen');
        await monitor.waitForText(pattern);
        expect(await monitor.stop()).toMatchObject({ signal: 'SIGTERM' });
      });
    });

    describe('where monitors are denied', () => {
      beforeEach(() =>
        setUp(
          sessionConfig(
            'unix:path=@DIR@/bus',
            `<policy context="mandatory">
             <deny send_destination="org.freedesktop.DBus"
                   send_interface="org.freedesktop.DBus.Monitoring"/>
           </policy>`,
          ),
        ),
      );

      test('falls back to eavesdropping', async () => {
        const monitor = start('dbus-monitor', ['--session'], { env: bus.env });
        await monitor.waitForLine(/Falling back to eavesdropping/, 'stderr');
        expect(monitor.stderr).toContain('org.freedesktop.DBus.Error.AccessDenied');
        await monitor.waitForLine(/member=NameAcquired$/);
        await tick('overheard');
        await monitor.waitForLine(
          /^method call .*destination=org\.example\.Interop .*member=Tick$/,
        );
        await monitor.waitForLine(/^ {3}string "overheard"$/);
        await monitor.waitForLine(/^signal .*member=Ticked$/);
        await monitor.waitForLine(/^method return .*reply_serial=2$/);
        expect(await monitor.stop()).toMatchObject({ signal: 'SIGTERM' });
      });
    });
  },
);
