import { join } from 'node:path';
import { expect, test } from 'vitest';
import { humanLine } from '#bridge/control/human-line.js';
import { openSyslog } from '#bridge/control/syslog.js';
import { describeWith, needs } from '../support/software.js';
import { datagramReader } from './datagram-reader.js';
import { folderOfTest, startDaemon } from './daemon.js';

const TIME = '"time":"2026-01-02T03:04:05.678Z"';

test.each([
  [`{"level":"info",${TIME},"msg":"ready"}`, '03:04:05 ready\n'],
  [`{"level":"warn",${TIME},"uid":7,"msg":"no"}`, '03:04:05 warn: no uid=7\n'],
  [`{"level":"info",${TIME},"why":"a b","list":[1],"msg":"x"}`, '03:04:05 x why="a b" list=[1]\n'],
])('%s for people', (json, line) => {
  expect(humanLine(json)).toBe(line);
});

test('a line of the log is JSON unless it is read on a terminal', async () => {
  const folder = folderOfTest();
  const { program, address } = await startDaemon({
    folder,
    args: [`--address=unix:path=${folder}/bus`],
  });
  const line = JSON.parse(await program.waitForLine(/the bus listens/, 'stderr'));
  expect(line).toMatchObject({ level: 'info', msg: 'the bus listens', address, pid: program.pid });
});

test.each([
  ['--log-level=silent', {}],
  ['--nopidfile', { BUS1_LOG: 'silent' }],
])('nothing is logged with %s %o', async (option, env) => {
  const folder = folderOfTest();
  const args = [`--address=unix:path=${folder}/bus`, option];
  const { program } = await startDaemon({ folder, args, env });
  expect((await program.stop()).stderr).toBe('');
});

describeWith([needs('logger', 'bsdutils')], 'the system log', () => {
  test('gets the severity, the tag, the pid, the message and the fields', () => {
    const path = join(folderOfTest(), 'log');
    const system = datagramReader(path);
    const log = openSyslog('bus', path);
    log?.write(`{"level":"error",${TIME},"uid":7,"msg":"no"}`);
    expect(system.next()).toMatch(new RegExp(`^<27>.* bus\\[${process.pid}\\]: no uid=7$`));
  });
});

test('a machine without a system log has none to write to', () => {
  expect(openSyslog('bus', '/nowhere/log')).toBeUndefined();
});
