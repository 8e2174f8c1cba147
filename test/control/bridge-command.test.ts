// What bus1-bridge says to a mistake: one line that names it; status 2 for the command line, 1 for everything else.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../support/process.js';
import { BRIDGE, folderOfTest, writeConfig } from './daemon.js';

const MISTAKES: readonly [string, number, RegExp][] = [
  ['explain', 2, /give exactly one of/],
  ['explain --own notaname', 2, /"notaname" is not a name that a service can own/],
  ['explain --own :1.5', 2, /":1\.5" is not a name that a service can own/],
  ['explain --to notaname', 2, /"notaname" is not a bus name/],
  ['status', 1, /cannot reach the session bus: connect: ENOENT \(.*\): \/nope$/m],
  ['denials unix:path=/no', 1, /cannot reach the bus at unix:path=\/no: connect: ENOENT/],
  ['status nonsense', 1, /no colon after the transport/],
  ['attach --bus nonsense --import a.b -- true', 1, /no colon after the transport/],
  ['attach --bus unix:path=/nope --import a.b -- true', 1, /cannot reach the bus at .*ENOENT/],
  ['attach --bus session', 2, /no names would pass between the buses/],
  ['runn', 2, /did you mean run/],
  ['mappings plan a', 2, /Expected 0 arguments but got 1; see mappings plan --help$/m],
  ['mappings chek', 2, /did you mean check\?; see mappings --help$/m],
  [
    'mappings init --output /proc/x/y',
    1,
    /cannot mkdir "\/proc\/x": ENOENT \(no such file or directory\)$/m,
  ],
  ['run -- ', 2, /the name of the command is empty/],
  ['generate --mapping /nope', 1, /cannot read "\/nope": ENOENT \(no such file or directory\)$/m],
  [
    'run --mapping /nope -- true',
    1,
    /cannot read "\/nope": ENOENT \(no such file or directory\)$/m,
  ],
  ['generate /', 1, /cannot read "\/": EISDIR \(.*\)$/m],
  ['generate /nope', 1, /cannot read "\/nope": ENOENT \(no such file or directory\)$/m],
];

test.each(MISTAKES)('%s', async (line, code, text) => {
  const env = { ...process.env, DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nope' };
  const result = await run(process.execPath, [BRIDGE, ...line.split(' ')], { env });
  expect(result).toMatchObject({ code, stdout: '' });
  expect(result.stderr).toMatch(/^bus1-bridge: [^\n]+\n$/);
  expect(result.stderr).toMatch(text);
});

test('a bus that hangs up at once does not admit this user', async () => {
  const path = join(folderOfTest(), 'bus');
  const server = createServer((socket) => socket.destroy()).listen(path);
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const result = await run(process.execPath, [BRIDGE, 'status', `unix:path=${path}`]);
  expect(result.code).toBe(1);
  expect(result.stderr).toBe(
    `bus1-bridge: cannot reach the bus at unix:path=${path}: the bus has hung up before it admitted this user\n`,
  );
});

test('a file that is no mapping is not printed', async () => {
  const { code, stdout } = await run(process.execPath, [
    BRIDGE,
    'mappings',
    'check',
    '/etc/passwd',
  ]);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^\/etc\/passwd:1:1: [^\n]*not a text of \d+ characters [^\n]*\n$/);
});

const IN_JSON: readonly [string, number, object][] = [
  [
    'explain @CONFIG --own org.example.A',
    0,
    { allowed: true, rules: [{ rule: '<allow own="*"/>' }] },
  ],
  ['explain @CONFIG --to org.example.A', 0, { allowed: true }],
  ['mappings check /etc/passwd', 1, [{ severity: 'error', code: 'malformed' }]],
  ['adopt --check --system --root @FOLDER', 1, { findings: [{ severity: 'error' }], files: [] }],
  ['adopt --force --system --root @FOLDER', 0, { files: [{ state: 'written' }] }],
  ['adopt --back --system --root @FOLDER', 0, { files: [{ state: 'absent' }] }],
];

test.each(IN_JSON)('%s --json', async (line, code, expected) => {
  const folder = folderOfTest();
  const words = line.replace('@CONFIG', writeConfig(folder)).replace('@FOLDER', folder).split(' ');
  const result = await run(process.execPath, [BRIDGE, ...words, '--json']);
  expect(result.code).toBe(code);
  expect(JSON.parse(result.stdout)).toMatchObject(expected);
});

test.each([
  [
    'status',
    /is not one of bus1-bridge but, say, dbus-daemon: only buses of bus1-bridge report their status/,
  ],
  ['migrate org.example.A', /is not attached to another one/],
])('%s, on a dbus-daemon', async (line, text) => {
  const address = `unix:path=${join(folderOfTest(), 'bus')}`;
  const options = ['--session', '--nofork', '--print-address', `--address=${address}`];
  const daemon = spawn('dbus-daemon', options);
  onTestFinished(() => void daemon.kill());
  await once(daemon.stdout, 'data');
  const env = { ...process.env, DBUS_SESSION_BUS_ADDRESS: address };
  const result = await run(process.execPath, [BRIDGE, ...line.split(' ')], { env });
  expect(result).toMatchObject({ code: 1, stdout: '' });
  expect(result.stderr).toMatch(/^bus1-bridge: [^\n]+\n$/);
  expect(result.stderr).toMatch(text);
});
