// Nothing that steers Node steers a bus or its processes; what the bus starts inherits what the caller has set.
import { mkdirSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { cleanEnvironment } from '../support/bus.js';
import { run, start } from '../support/process.js';
import { describeWith, needs } from '../support/software.js';
import { BRIDGE, DAEMON, folderOfTest, openConfig, startDaemon, writeConfig } from './daemon.js';

/** Without `.js`: the command that npm and packages put on PATH. */
const launcherOf = (program: string): string => program.slice(0, -'.js'.length);

/** The inodes of sockets on which something listens for TCP: proc_pid_net(5), state 0A. */
function listeningInodes(): string[] {
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFileSync(file, 'latin1'));
  const rows = tables.flatMap((table) => table.trim().split('\n').slice(1));
  return rows
    .map((row) => row.trim().split(/\s+/))
    .flatMap((row) => (row[3] === '0A' ? [row[9]] : []));
}

function listensForTcp(pid: number): boolean {
  const inodes = new Set(listeningInodes().map((inode) => `socket:[${inode}]`));
  return readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      return inodes.has(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      return false;
    }
  });
}

function childrenOf(pid: number): number[] {
  const words = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ');
  return words.flatMap((word) => (word === '' ? [] : [Number(word)]));
}

const commOf = (pid: number): string => readFileSync(`/proc/${pid}/comm`, 'utf8').trim();

test.each(['1', '2'])('SIGUSR1 opens no debugger, with %s host(s)', async (hosts) => {
  const folder = folderOfTest();
  const args = [`--address=unix:path=${folder}/bus`];
  const { program } = await startDaemon({ folder, args, env: { BUS1_HOSTS: hosts } });
  const children = childrenOf(program.pid);
  for (const pid of [program.pid, ...children]) process.kill(pid, 'SIGUSR1');
  // The signal that came later has been dealt with, so the first has been, too.
  program.kill('SIGHUP');
  await program.waitForLine(/configuration reloaded/, 'stderr');
  expect([program.pid, ...children].map(listensForTcp)).not.toContain(true);
  expect(commOf(program.pid)).toBe('bus1-bridge');
  expect(children.map(commOf)).toEqual(hosts === '1' ? [] : ['bus1-host/1', 'bus1-host/2']);
});

/** Variable, value; and whether to start by `node FILE`, too: not if Node gives up before a file is read. */
const STEERING: readonly [string, string, boolean][] = [
  ['NODE_OPTIONS', '--require @DIR@/hook.cjs', true],
  ['NODE_OPTIONS', '--require @DIR@/missing.cjs', false],
  ['NODE_OPTIONS', '--no-such-option', false],
  ['NODE_OPTIONS', '--inspect=0 --max-old-space-size=1024', true],
  ['NODE_CHANNEL_FD', '99', false],
  ['NODE_UNIQUE_ID', '1', false],
  ['NODE_V8_COVERAGE', '@DIR@/traces', true],
  ['NODE_COMPILE_CACHE', '@DIR@/traces', true],
  ['NODE_REDIRECT_WARNINGS', '@DIR@/traces/warnings', true],
  ['NODE_DEBUG', 'fs,net', true],
  ['NODE_ICU_DATA', '/nonexistent', false],
  ['OPENSSL_CONF', '/nonexistent', true],
  ['UV_THREADPOOL_SIZE', '1', true],
];
const ways = STEERING.flatMap(([name, value, isForNode]) => [
  { way: 'the command', name, value },
  ...(isForNode ? [{ way: 'node', name, value }] : []),
]);

/** Says which variables this process and its parent, the bus, have; and what Node has left behind. */
const INSPECT = 'env; echo --; tr "\\0" "\\n" </proc/$PPID/environ';

test.each(ways)('$name=$value is kept from the bus, by $way', async ({ way, name, value }) => {
  const folder = folderOfTest();
  mkdirSync(join(folder, 'traces'));
  const hook = `require('fs').appendFileSync('${folder}/traces/hook', process.argv[1] + '\\n');`;
  writeFileSync(join(folder, 'hook.cjs'), way === 'node' ? '' : hook);
  const text = value.replaceAll('@DIR@', folder);
  const env = { ...cleanEnvironment(folder), [name]: text };
  const command = way === 'node' ? [process.execPath, BRIDGE] : [launcherOf(BRIDGE)];
  const [file, ...words] = [...command, 'run', '--', 'sh', '-c', INSPECT];
  const { code, stdout, stderr } = await run(file, words, { env, cwd: folder });
  const [ofCommand, ofBus] = stdout.split('--\n').map((lines) => lines.split('\n'));
  expect({ code, stderr: way === 'node' ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  expect(ofCommand).toContain(`${name}=${text}`);
  expect(ofBus.filter((line) => line.startsWith(`${name}=`))).toEqual([]);
  // Before the process starts over, Node has done what it was told to.
  const traces = way === 'node' ? [] : readdirSync(join(folder, 'traces'));
  expect(traces).toEqual([]);
});

test('the command that is run has the environment of the caller, to the letter', async () => {
  const folder = folderOfTest();
  const env = {
    PATH: process.env['PATH'],
    'BASH_FUNC_greet%%': '() {  echo "a\nNODE_OPTIONS=b"\n}',
    'odd.name': '1',
    EMPTY: '',
    NODE_ENV: 'production',
    SSL_CERT_FILE: '/etc/cert',
  };
  const words = ['run', '--', '/bin/cat', '/proc/self/environ'];
  const { stdout } = await run(launcherOf(BRIDGE), words, { env, cwd: folder });
  const found = stdout
    .split('\0')
    .filter((entry) => !/^(?:DBUS_SESSION_BUS_ADDRESS=|$)/.test(entry));
  expect(found.toSorted()).toEqual(
    Object.entries(env)
      .map(([name, value]) => `${name}=${value}`)
      .toSorted(),
  );
});

describeWith([needs('dbus-send', 'dbus-bin')], 'services', () => {
  test.each([[[]], [['--fork']]])('have what the caller has set, %j', async (args) => {
    const folder = folderOfTest();
    mkdirSync(join(folder, 'services'));
    const file = join(folder, 'services/org.example.Env.service');
    writeFileSync(join(folder, 'done'), '');
    const script = `env >${folder}/env.new; mv ${folder}/env.new ${folder}/env; exit 3`;
    writeFileSync(file, `[D-BUS Service]\nName=org.example.Env\nExec=/bin/sh -c "${script}"\n`);
    const config = writeConfig(folder, openConfig('<servicedir>services</servicedir>'));
    const variables = { NODE_OPTIONS: '--max-old-space-size=2048', UV_THREADPOOL_SIZE: '3' };
    const env = { ...cleanEnvironment(folder), ...variables };
    const words = [`--config-file=${config}`, '--print-address', '--print-pid', ...args];
    const address = `unix:path=${folder}/bus`;
    const daemon = start(launcherOf(DAEMON), [...words, `--address=${address}`], {
      env,
      cwd: folder,
    });
    const pid = Number(await daemon.waitForLine(/^\d+$/));
    onTestFinished(() => void process.kill(pid, 'SIGKILL'));
    const start1 = ['--print-reply', '--dest=org.freedesktop.DBus', '/'];
    const method = 'org.freedesktop.DBus.StartServiceByName';
    await run('dbus-send', [
      `--bus=${address}`,
      ...start1,
      method,
      'string:org.example.Env',
      'uint32:0',
    ]);
    const lines = readFileSync(join(folder, 'env'), 'utf8').split('\n');
    expect(lines).toEqual(
      expect.arrayContaining(Object.entries(variables).map((one) => one.join('='))),
    );
    expect(lines.filter((line) => line.startsWith('BUS1_'))).toEqual([]);
  });
});

test('a bus starts in a directory that has gone', async () => {
  const folder = folderOfTest();
  const config = writeConfig(folder);
  const script = 'cd "$1" && mkdir gone && cd gone && rmdir ../gone && shift && exec "$@"';
  const words = [
    process.execPath,
    DAEMON,
    `--config-file=${config}`,
    `--address=unix:path=${folder}/bus`,
  ];
  const daemon = start('sh', ['-c', script, 'sh', folder, ...words, '--nofork', '--print-address']);
  onTestFinished(() => daemon.kill('SIGKILL'));
  expect(await daemon.waitForLine(/^/)).toMatch(`unix:path=${folder}/bus,`);
});

test('an error that nothing handles ends the bus at once, though nothing happens in its other thread', async () => {
  const folder = folderOfTest();
  const hook = join(folder, 'hook.cjs');
  writeFileSync(hook, "process.on('SIGHUP', () => { throw new Error('an internal error'); });");
  const words = [DAEMON, `--config-file=${writeConfig(folder)}`, '--nofork', '--print-address'];
  const program = start(
    process.execPath,
    ['--require', hook, ...words, `--address=unix:dir=${folder}`],
    {
      env: cleanEnvironment(folder),
    },
  );
  onTestFinished(() => program.kill('SIGKILL'));
  await program.waitForLine(/^unix:/);
  program.kill('SIGHUP');
  const { code, stderr } = await program.ended;
  expect(code).toBe(1);
  expect(stderr).toContain('an internal error');
});
