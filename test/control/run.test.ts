import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { cleanEnvironment } from '../support/bus.js';
import { type Program, type RunResult, run, start } from '../support/process.js';
import { describeWith, needs } from '../support/software.js';
import { BRIDGE, askForId, folderOfTest, openConfig, writeConfig } from './daemon.js';

function bridge(folder: string, words: readonly string[]): Promise<RunResult> {
  return run(process.execPath, [BRIDGE, ...words], { env: cleanEnvironment(folder) });
}

function startBridge(folder: string, words: readonly string[]): Program {
  const program = start(process.execPath, [BRIDGE, ...words], { env: cleanEnvironment(folder) });
  onTestFinished(() => program.kill('SIGKILL'));
  return program;
}

describeWith([needs('dbus-send', 'dbus-bin')], 'bus1-bridge run', () => {
  test('prints where a private bus listens, and a line to try that works', async () => {
    const folder = folderOfTest();
    const program = startBridge(folder, ['run']);
    expect(await program.waitForLine(/^/)).toMatch(
      new RegExp(`^unix:path=${folder}/dbus-\\w{10},guid=[0-9a-f]{32}$`),
    );
    const line = await program.waitForLine(/dbus-send/);
    expect((await run('sh', ['-c', line])).stdout).toContain('string "org.freedesktop.DBus"');
    expect((await program.stop()).code).toBe(0);
  });

  test('--print-address prints nothing else', async () => {
    const folder = folderOfTest();
    const program = startBridge(folder, [
      'run',
      '--print-address',
      '--address',
      `unix:path=${folder}/b`,
    ]);
    const address = await program.waitForLine(/^unix:path/);
    expect((await askForId(address)).code).toBe(0);
    expect((await program.stop()).stdout).toBe(`${address}\n`);
  });

  test('--config takes rules and address from a file', async () => {
    const folder = folderOfTest();
    const listen = `<listen>unix:path=${folder}/mine</listen>`;
    const config = writeConfig(folder, openConfig(listen));
    const program = startBridge(folder, ['run', '--config', config]);
    expect(await program.waitForLine(/^/)).toMatch(`unix:path=${folder}/mine,`);
  });

  test('-- COMMAND runs it on the bus, and prints nothing of its own', async () => {
    const call = '--print-reply=literal --dest=org.freedesktop.DBus /';
    const method = 'org.freedesktop.DBus.GetNameOwner string:org.freedesktop.DBus';
    const script = `echo "$1"; dbus-send --session ${call} ${method}`;
    const words = ['run', '--', 'sh', '-c', script, 'sh', '--version'];
    const { code, stdout, stderr } = await bridge(folderOfTest(), words);
    expect([code, stdout, stderr]).toEqual([0, '--version\n   org.freedesktop.DBus', '']);
  });
});

const STATUSES: readonly [string, readonly string[], number][] = [
  ['its exit status', ['sh', '-c', 'exit 7'], 7],
  ['128 and the number of its signal', ['sh', '-c', 'kill -KILL $$'], 137],
  ['127 if there is no such program', ['/nowhere/program'], 127],
  ['126 if it cannot be executed', ['/etc/passwd'], 126],
];

test.each(STATUSES)('run -- COMMAND ends with %s', async (_title, command, status) => {
  expect((await bridge(folderOfTest(), ['run', '--', ...command])).code).toBe(status);
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s goes to the command', async (signal) => {
  const folder = folderOfTest();
  const name = signal.slice(3);
  const script = `trap 'echo caught; exit 3' ${name}; echo ready; while :; do read line; done`;
  const program = startBridge(folder, ['run', '--', 'sh', '-c', script]);
  await program.waitForLine(/^ready$/);
  program.kill(signal);
  expect(await program.ended).toMatchObject({ code: 3, stdout: 'ready\ncaught\n', stderr: '' });
});

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('%s before the command runs ends it all', async (signal, status) => {
  const folder = folderOfTest();
  const socket = join(folder, 'socket');
  const words = ['run', '--address', `unix:path=${socket}`, '--', 'echo', 'started'];
  const program = startBridge(folder, words);
  // The bus listens now, and its thread has yet to start.
  while (!existsSync(socket)) await setImmediate();
  program.kill(signal);
  const { code, stdout } = await program.ended;
  // On a machine that pauses here for long, the command was faster.
  expect([`${status}: `, '0: started\n']).toContain(`${code}: ${stdout}`);
});

test('the command does not see what is about the bus process or another bus', async () => {
  const folder = folderOfTest();
  const env = {
    ...cleanEnvironment(folder),
    DBUS_STARTER_ADDRESS: 'unix:path=/other',
    DBUS_SESSION_BUS_PID: '1',
    LISTEN_FDS: '1',
  };
  const { stdout } = await run(process.execPath, [BRIDGE, 'run', '--', 'env'], { env });
  const names = stdout.split('\n').map((line) => line.split('=')[0]);
  expect(names.filter((name) => /^(?:DBUS|LISTEN)_/.test(name))).toEqual([
    'DBUS_SESSION_BUS_ADDRESS',
  ]);
});

test.each([
  ['frobnicate', 2, /^bus1-bridge: unknown command 'frobnicate'; see --help\n$/],
  ['rum', 2, /unknown command 'rum'; did you mean run\?; see --help$/m],
  ['run --frobnicate', 2, /unknown option '--frobnicate'; see run --help$/m],
  ['run --print-address=x', 2, /file descriptor number, not "x"; see --help$/m],
  ['run --log-level=loud', 2, /--log-level can be .* not "loud"; see --help$/m],
  ['run --config=/nowhere/bus.conf', 1, /cannot read \/nowhere\/bus.conf: ENOENT/],
  ['run --address=unix:path=/nowhere/bus', 1, /cannot listen on "unix:path=\/nowhere\/bus"/],
  ['explain', 2, /give exactly one of --connect, --own NAME, .*; see --help$/m],
  ['explain --connect --own=a.b', 2, /give exactly one of/],
  ['explain --user=no-such-user --connect', 2, /no user "no-such-user"; see --help$/m],
])('bus1-bridge %s is refused in one line, with status %i', async (line, status, reason) => {
  const { code, stdout, stderr } = await bridge(folderOfTest(), line.split(' '));
  expect([code, stdout]).toEqual([status, '']);
  expect(stderr).toMatch(/^[^\n]+\n$/);
  expect(stderr).toMatch(reason);
});

test('lint names the line of each mistake, and of what is hardly meant', async () => {
  const folder = folderOfTest();
  mkdirSync(join(folder, 'd'));
  const broken = join(folder, 'd/broken.conf');
  writeFileSync(
    broken,
    `<busconfig>
<policy context="default"><deny send_type="call"/></policy>
<limit name="max_wishes">3</limit>
</busconfig>`,
  );
  const text = `<busconfig>
<policy context="default"><allow own="org.example.*"/></policy>
<includedir>d</includedir>
</busconfig>`;
  const config = writeConfig(folder, text);
  const { code, stdout } = await bridge(folder, ['lint', config]);
  const lines = stdout.split('\n').map((line) => line.replace(/ .*\[/, ' ['));
  expect([code, lines]).toEqual([
    1,
    [
      `${broken}:2:33: [error, bad-rule]`,
      `${broken}:3:1: [error, bad-limit]`,
      `${config}:2:27: [advice, never-matches]`,
      '',
    ],
  ]);
  const json = await bridge(folder, ['lint', '--json', broken]);
  expect(JSON.parse(json.stdout)).toMatchObject([
    { file: broken, line: 2, column: 33, severity: 'error', code: 'bad-rule' },
    { file: broken, line: 3, column: 1, severity: 'error', code: 'bad-limit' },
  ]);
  expect(json.code).toBe(1);
});

test('lint says so if there is nothing to say', async () => {
  const folder = folderOfTest();
  const config = writeConfig(folder, '<busconfig/>');
  const { code, stdout } = await bridge(folder, ['lint', config]);
  expect([code, stdout]).toEqual([0, `${config}: no mistakes\n`]);
});

test.each([
  [['--own=org.example.Mine'], 0, /^allowed by .*bus\.conf:2$/m],
  [['--own=org.example.Yours'], 1, /^denied by .*bus\.conf:3$/m],
  [['--connect'], 0, /^allowed/],
  [['--to=org.example.Mine', '--interface=org.example.I', '--member=M'], 1, /^denied$/m],
])('explain %j', async (words, status, text) => {
  const folder = folderOfTest();
  const config = writeConfig(
    folder,
    `<busconfig><policy context="default">
<allow own="org.example.Mine"/>
<deny own="org.example.Yours"/>
<deny send_destination="org.example.Mine"/></policy></busconfig>`,
  );
  const { code, stdout } = await bridge(folder, ['explain', config, ...words]);
  expect(stdout).toMatch(text);
  expect(code).toBe(status);
  expect(existsSync(join(folder, 'bus.conf'))).toBe(true);
});
