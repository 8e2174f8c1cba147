// The command line of `bus1-bridge migrate`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../support/bus-command.js';
import { output, run, start, type Environment, type Program } from '../support/process.js';
import { startPythonService } from '../support/python.js';
import { describeWith, PYTHON } from '../support/software.js';
import { Bridge } from './bridge.js';
import { migrate, NOTIFICATIONS, NOTIFICATION_SOFTWARE, serviceCommand } from './notifications.js';
import { OLD_BUS_SOFTWARE, OldBus } from './old-bus.js';
import { waitForName } from './wait-for-name.js';

const COMMAND = join(ROOT, 'dist/bridge/cli/bus1-bridge.js');
const SERVICE = join(ROOT, 'test/interop/python/service_libdbus.py');
const NAME = 'org.example.Interop.Moving';
const STARTED = 'org.example.Interop.Started';

async function ownerOf(name: string, env: Environment): Promise<number> {
  const words = ['--session', '--print-reply=literal', '--dest=org.freedesktop.DBus', '/'];
  const method = 'org.freedesktop.DBus.GetConnectionUnixProcessID';
  const reply = await output('dbus-send', [...words, method, `string:${name}`], { env });
  return Number(reply.trim().replace('uint32 ', ''));
}

describeWith(
  [...NOTIFICATION_SOFTWARE, ...OLD_BUS_SOFTWARE['dbus-daemon']],
  'bus1-bridge migrate',
  () => {
    let old: OldBus;
    let bridge: Bridge;
    let stubborn: Program;
    let replaceable: Program;
    const started: number[] = [];

    beforeAll(async () => {
      old = await OldBus.start('dbus-daemon');
      bridge = await Bridge.attach(old, {
        imports: [NOTIFICATIONS, NAME],
        services: [{ name: STARTED, exec: `${PYTHON} ${SERVICE} ${STARTED}` }],
      });
      stubborn = await startPythonService('service_libdbus.py', NAME, old.env);
      const [program, ...args] = serviceCommand(join(old.folder, 'log'));
      replaceable = start(program, args, { env: old.env });
      await waitForName(old.address, NOTIFICATIONS);
    });
    afterAll(async () => {
      for (const pid of started) process.kill(pid, 'SIGTERM');
      await replaceable.stop();
      await bridge.stop();
      await old.stop();
    });

    test('moves a name, and says each step', async () => {
      const words = [
        'migrate',
        NOTIFICATIONS,
        '--',
        ...serviceCommand(join(old.folder, 'new-log')),
      ];
      const { stdout, code } = await run(process.execPath, [COMMAND, ...words], {
        env: bridge.env,
      });
      const lines = stdout.trimEnd().split('\n');
      expect(lines[0]).toContain(`${NOTIFICATIONS} is owned by :1.`);
      expect(lines[0]).toContain(`(pid ${replaceable.pid}, `);
      expect(lines[0]).toContain(`waiting for its new owner at ${bridge.address}`);
      expect(lines[1]).toMatch(/^:1\.\d+ \(pid \d+, .*\) requests it$/);
      expect(lines[2]).toBe('the name changes owner; callers wait a moment');
      expect(lines[3]).toMatch(
        /^org\.freedesktop\.Notifications has moved from :1\.\d+ .* to :1\.\d+ /,
      );
      expect(lines).toHaveLength(4);
      expect(code).toBe(0);
      const [, pid] = /^:1\.\d+ \(pid (\d+)/.exec(lines[1]) ?? [];
      started.push(Number(pid));
      expect(await ownerOf(NOTIFICATIONS, bridge.env)).toBe(Number(pid));
    });

    test('leaves a name where it is when the command fails, with status 1', async () => {
      const { result, code } = await migrate(bridge, NAME, '--', 'false');
      const reason = `${NAME} was not moved: false ended with status 1`;
      expect(result).toEqual({ name: NAME, moved: false, reason });
      expect(code).toBe(1);
      expect(await ownerOf(NAME, old.env)).toBe(stubborn.pid);
    });

    test('leaves a name where it is when the command cannot be run', async () => {
      const { result, code } = await migrate(bridge, NAME, '--', '/no/such/program');
      const reason = `${NAME} was not moved: cannot run /no/such/program: ENOENT`;
      expect(result).toEqual({ name: NAME, moved: false, reason });
      expect(code).toBe(1);
    });

    test('leaves a name where it is when nobody asks for it, and ends the command', async () => {
      const pidFile = join(old.folder, 'pid');
      const waiting = ['sh', '-c', `echo $$ > ${pidFile}; exec sleep 1000`];
      const { result, code } = await migrate(bridge, NAME, '--timeout', '0.5', '--', ...waiting);
      expect(result.reason).toContain('no program has requested it on the bridge within 0.5 s');
      expect(result.reason).toContain(`(pid ${stubborn.pid}, `);
      expect(code).toBe(1);
      const ended = ['--pid', readFileSync(pidFile, 'utf8').trim(), '-f', '/dev/null'];
      await expect(output('tail', ended)).resolves.toBe('');
    });

    test('ends an owner that does not let go of the name, if it may', async () => {
      const service = [PYTHON, SERVICE, NAME];
      const { result, steps } = await migrate(bridge, NAME, '--stop-old', '--', ...service);
      expect(result).toMatchObject({ name: NAME, moved: true, from: { pid: stubborn.pid } });
      started.push(result.to.pid);
      expect(steps).toEqual(['waiting', 'candidate', 'queued', 'switched']);
      expect((await stubborn.ended).signal).toBe('SIGTERM');
      expect(await ownerOf(NAME, bridge.env)).toBe(result.to.pid);
    });

    test('starts the service that has a .service file on the bridge, and another after a failure', async () => {
      const service = await startPythonService('service_libdbus.py', STARTED, old.env);
      const words = [COMMAND, 'migrate', STARTED, '--json'];
      const command = start(process.execPath, words, { env: bridge.env });
      const { pid } = JSON.parse(await command.waitForLine(/"step":"candidate"/));
      await command.waitForLine(/"step":"queued"/);
      await command.stop();
      const { result } = await migrate(bridge, STARTED, '--stop-old');
      expect(result).toMatchObject({ moved: true, from: { pid: service.pid } });
      started.push(result.to.pid);
      expect(await ownerOf(STARTED, bridge.env)).toBe(result.to.pid);
      expect(result.to.pid).not.toBe(pid);
      await expect(output('tail', ['--pid', `${pid}`, '-f', '/dev/null'])).resolves.toBe('');
    });

    test.each([
      {
        words: [NAME, '--timeout', 'soon'],
        message: '--timeout takes a number of seconds, not "soon"',
      },
      {
        words: [NAME, '--address', 'unix:path=/nowhere'],
        message: 'cannot reach the bridge at unix:path=/nowhere',
      },
    ])('refuses $words', async ({ words, message }) => {
      const args = [COMMAND, 'migrate', ...words];
      const { stderr, code } = await run(process.execPath, args, { env: bridge.env });
      expect(stderr).toContain(message);
      expect(code).toBe(stderr.endsWith('--help\n') ? 2 : 1);
    });
  },
);
