// Debian's system.conf with all of its system.d, started as root, and system services on it.
// Nothing that talks to the network is started.
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { MessageBus } from 'dbus-next';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lookupUser } from '#core/linux/index.js';
import { busCommand, openFolder } from '../support/bus-command.js';
import { cleanEnvironment } from '../support/bus.js';
import { type NameWatch, callBus, connect, watchNames } from '../support/names.js';
import { type Environment, type Program, type RunResult, run, start } from '../support/process.js';
import { describeWith, needs, needsFile, skipBecause } from '../support/software.js';
import {
  ACCOUNTS,
  LOGIND,
  POLKIT,
  ROOT_UID,
  SERVICES,
  SERVICE_SOFTWARE,
  type SystemService,
  UPOWER,
} from './system-service.js';

const STOCK = '/usr/share/dbus-1/system.conf';
const LOGIND_RULES = '/usr/share/dbus-1/system.d/org.freedesktop.login1.conf';
const ACCESS_DENIED = 'org.freedesktop.DBus.Error.AccessDenied';
const IS_REFERENCE = Boolean(process.env['BUS_UNDER_TEST']);
const IS_ROOT = process.getuid!() === 0;
const NOBODY_UID = 65534;
const USERS = [
  { user: 'root', uid: ROOT_UID },
  { user: 'nobody', uid: NOBODY_UID },
];

const SOFTWARE = [
  ...SERVICE_SOFTWARE,
  needsFile(STOCK, 'dbus-system-bus-common'),
  needsFile(LOGIND_RULES, 'systemd'),
  needs('pkcheck', 'polkitd'),
  needs('busctl', 'systemd'),
  needs('gdbus', 'libglib2.0-bin'),
  needs('setpriv', 'util-linux'),
];

/** "FILE:LINE" of the first place in `file` where `text` begins. */
function placeOf(file: string, text: string): string {
  const content = readFileSync(file, 'utf8');
  const offset = content.indexOf(text);
  if (offset < 0) throw new Error(`no ${text} in ${file}`);
  return `${file}:${content.slice(0, offset).split('\n').length}`;
}

/** Runs a program as a user, in the user's main group and no other. */
function runAs(uid: number, words: readonly string[], env: Environment): Promise<RunResult> {
  return run('setpriv', [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', ...words], { env });
}

/** The different lines about users and groups in the status of all threads. */
function identitiesOf(pid: number): string[] {
  const lines = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8').split('\n'),
  );
  const words = lines.filter((line) => /^(?:Uid|Gid|Groups):/.test(line));
  return [...new Set(words.map((line) => line.trim()))].toSorted();
}

function testSystemBus(): void {
  const running: Program[] = [];
  let folder: string;
  let rules: string;
  let bus: Program;
  let env: Environment;
  let root: MessageBus;
  let watch: NameWatch;

  /** Starts a service and waits until it owns its name. */
  const startService = async ({ name, command }: SystemService): Promise<void> => {
    const [program, ...args] = command;
    const service = start(program, args, { env });
    running.push(service);
    const early = service.ended.then(({ code, stderr }) => {
      throw new Error(`${program} ended with ${code} and does not own ${name}\n${stderr}`);
    });
    await Promise.race([watch.owned(name), early]);
  };

  beforeAll(async () => {
    folder = openFolder('system-bus-');
    rules = join(folder, 'rules.d');
    mkdirSync(rules);
    const config = join(folder, 'system.conf');
    const parts = `<include>${STOCK}</include><includedir>${rules}</includedir>`;
    writeFileSync(config, `<busconfig>${parts}</busconfig>`);
    const [command, ...words] = busCommand();
    const place = [`--address=unix:path=${folder}/bus`, '--nopidfile', '--nofork'];
    const args = [...words, `--config-file=${config}`, ...place, '--print-address'];
    bus = start(command, args, { env: cleanEnvironment(folder) });
    const address = await bus.waitForLine(/^unix:/);
    env = { ...cleanEnvironment(folder), DBUS_SYSTEM_BUS_ADDRESS: address, GIO_USE_VFS: 'local' };
    root = await connect(address);
    watch = await watchNames(root);
    for (const service of SERVICES) await startService(service);
  });
  afterAll(async () => {
    for (const service of running.toReversed()) await service.stop();
    root.disconnect();
    await bus.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const busctl = (uid: number, ...words: string[]) =>
    runAs(uid, ['busctl', '--system', '--no-pager', ...words], env);
  const gdbus = (uid: number, name: string, path: string, method: string, ...args: string[]) => {
    const words = ['--dest', name, '--object-path', path, '--method', method, ...args];
    return runAs(uid, ['gdbus', 'call', '--system', ...words], env);
  };
  const addSession = (uid: number, session: string) => {
    const values = [session, 'seat0', String(NOBODY_UID), 'nobody', 'true'];
    const path = LOGIND.call[0];
    return gdbus(uid, LOGIND.name, path, 'org.freedesktop.DBus.Mock.AddSession', ...values);
  };

  test('no thread of the bus has kept a right of root', () => {
    const { uid, gid } = lookupUser('messagebus')!;
    expect(identitiesOf(bus.pid)).toEqual([
      `Gid:\t${gid}\t${gid}\t${gid}\t${gid}`,
      'Groups:',
      `Uid:\t${uid}\t${uid}\t${uid}\t${uid}`,
    ]);
  });

  describe.each(SERVICES)('$name', ({ name, call, reply }) => {
    test.each(USERS)('answers $user', async ({ uid }) => {
      const result = await busctl(uid, 'call', name, ...call);
      expect(result).toMatchObject({ code: 0, stdout: expect.stringMatching(reply) });
    });
  });

  test('the bus knows polkitd by the user that it has become', async () => {
    const { uid } = lookupUser('polkitd')!;
    const answer = await callBus(root, 'GetConnectionUnixUser', 's', [POLKIT.name]);
    expect(answer).toEqual([uid]);
  });

  // pkcheck(1): 0 for who is authorized, 2 for who would have to authenticate.
  test.each([
    { user: 'root', uid: ROOT_UID, code: 0 },
    { user: 'nobody', uid: NOBODY_UID, code: 2 },
  ])('polkitd tells pkcheck what $user may do', async ({ uid, code }) => {
    const action = 'org.freedesktop.accounts.user-administration';
    const script = `exec pkcheck --action-id ${action} --process $$`;
    expect(await runAs(uid, ['sh', '-c', script], env)).toMatchObject({ code });
  });

  test('a session that root has announced is seen by everybody', async () => {
    expect(await addSession(ROOT_UID, 'c1')).toMatchObject({ code: 0 });
    const [path, manager] = LOGIND.call;
    const sessions = await busctl(NOBODY_UID, 'call', LOGIND.name, path, manager, 'ListSessions');
    expect(sessions.stdout).toBe(
      `a(susso) 1 "c1" ${NOBODY_UID} "nobody" "seat0" "/org/freedesktop/login1/session/c1"\n`,
    );
  });

  describe('a denial', () => {
    const denyNames = placeOf(STOCK, '<deny own="*"/>');
    const denyCalls = placeOf(STOCK, '<deny send_type="method_call"/>');
    const denyStatistics = placeOf(
      STOCK,
      `<deny send_destination="org.freedesktop.DBus"
          send_interface="org.freedesktop.DBus.Debug.Stats"/>`,
    );
    const denyLogind = placeOf(LOGIND_RULES, '<deny send_destination="org.freedesktop.login1"/>');
    const BUS = ['org.freedesktop.DBus', '/org/freedesktop/DBus'] as const;
    const denials: [string, string, () => Promise<RunResult>][] = [
      [
        'a name',
        denyNames,
        () => gdbus(NOBODY_UID, ...BUS, 'org.freedesktop.DBus.RequestName', UPOWER.name, '0'),
      ],
      [
        'a call that no service admits',
        denyCalls,
        () => gdbus(NOBODY_UID, UPOWER.name, UPOWER.call[0], 'org.example.Unheard.Of'),
      ],
      ['a call that a service forbids', denyLogind, () => addSession(NOBODY_UID, 'c2')],
      [
        'a call to the bus',
        denyStatistics,
        () => gdbus(NOBODY_UID, ...BUS, 'org.freedesktop.DBus.Debug.Stats.GetStats'),
      ],
    ];

    test.each(denials)('%s', async (_what, _place, attempt) => {
      const result = await attempt();
      expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining(ACCESS_DENIED) });
    });

    // dbus-daemon tells how many rules matched, but not which.
    test.runIf(!IS_REFERENCE).each(denials)(
      '%s: the error and the log name the rule at %s',
      async (_what, place, attempt) => {
        const { stderr } = await attempt();
        expect(stderr).toMatch(new RegExp(`${place}\\b`));
        await bus.waitForLine(new RegExp(`${place}\\b.*denied by policy`), 'stderr');
      },
    );
  });

  describe('a new file in an <includedir>', () => {
    const owners = () =>
      Promise.all(SERVICES.map(({ name }) => callBus(root, 'GetNameOwner', 's', [name])));
    const reloads: [string, () => Promise<unknown>][] = [
      [
        'SIGHUP',
        () => {
          bus.kill('SIGHUP');
          return bus.waitForLine(/reloaded configuration|configuration reloaded/i, 'stderr');
        },
      ],
      ['ReloadConfig', () => callBus(root, 'ReloadConfig')],
    ];

    test.each(reloads)('counts after %s, and nobody is disconnected', async (how, reload) => {
      const name = `org.example.After.${how}`;
      const before = await owners();
      const request = () => callBus(root, 'RequestName', 'su', [name, 0]);
      await expect(request()).rejects.toMatchObject({ type: ACCESS_DENIED });
      const policy = `<policy user="root"><allow own="${name}"/></policy>`;
      const file = join(folder, `${how}.conf`);
      writeFileSync(file, `<busconfig>${policy}</busconfig>`);
      // All of it at once, since the folder is watched.
      renameSync(file, join(rules, basename(file)));
      await reload();
      await expect(request()).resolves.toEqual([1]);
      await expect(owners()).resolves.toEqual(before);
    });
  });
}

describeWith(SOFTWARE, 'the system configuration of Debian', () => {
  describe.runIf(IS_ROOT)('started by root', () => {
    testSystemBus();
  });
});

const UNSHARE = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
/**
 * In namespaces of their own, the bus and what it starts have the places that the stock file names
 * for themselves, and end with the script.
 */
const SYSTEM_SCRIPT = `
  mount -t tmpfs tmpfs /run
  mkdir /run/dbus
  "$@" --system
  kill -0 "$(cat /run/dbus/pid)"
  busctl --system call ${ACCOUNTS.name} ${ACCOUNTS.call.join(' ')}
  for uid in ${ROOT_UID} ${NOBODY_UID}; do
    setpriv --reuid=$uid --regid=$uid --clear-groups \\
      busctl --system call ${UPOWER.name} ${UPOWER.call.join(' ')}
  done
`;

describeWith(
  [...SOFTWARE, needs('unshare', 'util-linux'), needs('/usr/bin/mount', 'mount')],
  '--system, and nothing else',
  () => {
    test.runIf(IS_ROOT)(
      'runs in the background and starts services by the setuid helper',
      async (context) => {
        const namespaces = await run('unshare', [...UNSHARE, 'true']);
        if (namespaces.code !== 0) skipBecause(context, `no namespaces: ${namespaces.stderr}`);
        const words = ['sh', '-euc', SYSTEM_SCRIPT, 'sh', ...busCommand()];
        const result = await run('unshare', [...UNSHARE, ...words], { env: cleanEnvironment('/') });
        expect(result).toMatchObject({ code: 0 });
        const [user, ...devices] = result.stdout.trim().split('\n');
        expect(user).toMatch(ACCOUNTS.reply);
        expect(devices).toEqual(USERS.map(() => expect.stringMatching(UPOWER.reply)));
      },
    );
  },
);
