import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseDaemonArguments } from '#bridge/cli/daemon-arguments.js';
import { run } from '../support/process.js';
import { BRIDGE, DAEMON, folderOfTest, runDaemon, startDaemon, writeConfig } from './daemon.js';

const NOTHING_SAID = { pidFile: true, log: 'configured', systemdActivation: false };
const SESSION = { ...NOTHING_SAID, config: { kind: 'session' } };

const UNDERSTOOD: readonly [string, object][] = [
  ['--session', SESSION],
  ['--system', { ...NOTHING_SAID, config: { kind: 'system' } }],
  ['--config-file=/a=b', { ...NOTHING_SAID, config: { kind: 'file', path: '/a=b' } }],
  ['--config-file /a', { ...NOTHING_SAID, config: { kind: 'file', path: '/a' } }],
  ['--session --address=unix:path=/a', { ...SESSION, address: 'unix:path=/a' }],
  ['--session --address unix:path=/a', { ...SESSION, address: 'unix:path=/a' }],
  ['--session --address=', SESSION],
  ['--session --print-address', { ...SESSION, printAddress: 1 }],
  ['--session --print-address=', { ...SESSION, printAddress: 1 }],
  ['--session --print-address=3 --print-pid=4', { ...SESSION, printAddress: 3, printPid: 4 }],
  ['--print-address 3 --session', { ...SESSION, printAddress: 3 }],
  ['--print-pid --session', { ...SESSION, printPid: 1 }],
  ['--session --fork', { ...SESSION, fork: true }],
  ['--session --nofork', { ...SESSION, fork: false }],
  ['--session --fork --nofork', { ...SESSION, fork: false }],
  ['--session --nofork --fork', { ...SESSION, fork: true }],
  ['--session --nopidfile', { ...SESSION, pidFile: false }],
  ['--session --syslog', { ...SESSION, log: 'both' }],
  ['--session --nosyslog', { ...SESSION, log: 'stderr' }],
  ['--session --syslog-only', { ...SESSION, log: 'syslog' }],
  ['--session --systemd-activation', { ...SESSION, systemdActivation: true }],
  ['--introspect', { ...NOTHING_SAID, show: 'introspect' }],
  ['--version', { ...NOTHING_SAID, show: 'version' }],
  ['--help', { ...NOTHING_SAID, show: 'help' }],
];

test.each(UNDERSTOOD)('%s', (line, expected) => {
  expect(parseDaemonArguments(line.split(' '))).toEqual(expected);
});

const REFUSED: readonly [string, RegExp][] = [
  ['', /no configuration/],
  ['--bogus', /no option "--bogus"; see/],
  ['--sesion', /no option "--sesion"; did you mean --session\?; see/],
  ['session', /no option "session"/],
  ['--session=yes', /no option "--session=yes"/],
  ['--session --system', /only one of/],
  ['--session --config-file=/a', /only one of/],
  ['--session --print-address=stdout', /a file descriptor number, not "stdout"/],
  ['--config-file', /--config-file needs a value/],
  ['--session --address', /--address needs a value/],
  ['--session --address=unix:dir=/a --address=unix:dir=/b', /give only one --address/],
  ['--session --log-level=loud', /--log-level can be .* not "loud"/],
];

test.each(REFUSED)('"%s" is refused in one line', async (line, reason) => {
  const result = await run(process.execPath, [DAEMON, ...line.split(' ').filter(Boolean)]);
  expect(result.code).toBe(2);
  expect(result.stderr).toMatch(/^bus1-dbus-daemon: [^\n]+; see --help\n$/);
  expect(result.stderr).toMatch(reason);
  expect(result.stdout).toBe('');
});

const SHOWN: readonly [string, string, RegExp][] = [
  [
    DAEMON,
    '--version',
    /^bus1-dbus-daemon \d+\.\d+\.\d+( \([0-9a-f]{12}\))?, a D-Bus message bus\n$/,
  ],
  [DAEMON, '--help', /--print-address\[=FD\]/],
  [DAEMON, '--introspect', /^<!DOCTYPE node[^]*<interface name="org.freedesktop.DBus">/],
  [BRIDGE, '--version', /^\d+\.\d+\.\d+( \([0-9a-f]{12}\))?\n$/],
  [BRIDGE, '--help', /run .*\[command\.\.\.\]/],
];

test.each(SHOWN)('%s %s', async (program, option, text) => {
  const result = await run(process.execPath, [program, option]);
  expect(result.code).toBe(0);
  expect(result.stdout).toMatch(text);
});

test.each([
  ['a missing file', '/nowhere/bus.conf', /cannot read \/nowhere\/bus.conf: ENOENT/],
  ['a directory', '/', /cannot read \/: EISDIR/],
])('%s as configuration is refused in one line', async (_title, config, reason) => {
  const result = await runDaemon({ folder: folderOfTest(), config });
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(/^bus1-dbus-daemon: [^\n]+\n$/);
  expect(result.stderr).toMatch(reason);
});

const UNUSABLE: readonly [string, string, RegExp][] = [
  ['that is no XML', '<busconfig><listen>unix:tmpdir=/tmp</list>', /bus\.conf:1:\d+: /],
  ['with an unknown user', withElement('<user>no-such-user</user>'), /no user "no-such-user"/],
  [
    'that requires AppArmor',
    withElement('<apparmor mode="required"/>'),
    /AppArmor mediation is required/,
  ],
  ['with unknown mechanisms only', withElement('<auth>KERBEROS_V4</auth>'), /no client could auth/],
];

test.each(UNUSABLE)('a configuration %s is refused in one line', async (_title, text, reason) => {
  const folder = folderOfTest();
  const result = await runDaemon({ folder, config: writeConfig(folder, text) });
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(/^bus1-dbus-daemon: [^\n]+\n$/);
  expect(result.stderr).toMatch(reason);
});

function withElement(element: string): string {
  return `<busconfig><listen>unix:tmpdir=/tmp</listen>${element}</busconfig>`;
}

test('what a configuration loses is logged, and the bus starts', async () => {
  const folder = folderOfTest();
  mkdirSync(join(folder, 'd'));
  const broken = '<busconfig><limit name="max_wishes">3</limit></busconfig>';
  writeFileSync(join(folder, 'd/broken.conf'), broken);
  const config = writeConfig(folder, withElement('<includedir>d</includedir>'));
  const { program } = await startDaemon({ folder, config });
  expect(program.stderr).toMatch(
    /broken\.conf:1:12: there is no limit called \\"max_wishes\\"; skipped/,
  );
  expect((await program.stop()).code).toBe(0);
});
