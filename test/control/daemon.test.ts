import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { killAtExit, run } from '../support/process.js';
import { describeWith, needs } from '../support/software.js';
import {
  DAEMON,
  askForId,
  daemonFrom,
  folderOfTest,
  openConfig,
  runDaemon,
  runDaemonByShell,
  startDaemon,
  writeConfig,
} from './daemon.js';

const IN_FOLDER = (folder: string): string[] => [`--address=unix:path=${folder}/bus`];
const BOTH_TO_STDOUT = ['--print-address=1', '--print-pid=1'];
const TWO_LINES = /^unix:path=\S+\/bus,guid=[0-9a-f]{32}\n\d+\n$/;

/** Resolves when the process is gone: tail(1) watches it. */
async function ended(pid: number): Promise<void> {
  await run('tail', ['--pid', String(pid), '--sleep-interval=0.02', '-f', '/dev/null']);
}

describeWith([needs('dbus-send', 'dbus-bin')], 'a bus in the background', () => {
  test('is there when the foreground has ended, in a session of its own', async () => {
    const folder = folderOfTest();
    const output = join(folder, 'output');
    const args = [...IN_FOLDER(folder), ...BOTH_TO_STDOUT, '--fork'];
    const started = await runDaemonByShell('exec "$@" >output', { folder, args });
    expect([started.code, started.stderr]).toEqual([0, '']);
    expect(readFileSync(output, 'utf8')).toMatch(TWO_LINES);
    const { address, pid } = daemonFrom(output);
    expect((await askForId(address)).code).toBe(0);
    expect([sessionOf(pid), readlinkSync(`/proc/${pid}/cwd`)]).toEqual([pid, '/']);
    process.kill(pid, 'SIGTERM');
    await ended(pid);
    expect(existsSync(join(folder, 'bus'))).toBe(false);
  });

  test('works for <fork/> too, and with closed standard streams', async () => {
    const folder = folderOfTest();
    const config = writeConfig(folder, openConfig('<fork/>'));
    const args = [...IN_FOLDER(folder), '--print-address=5', '--print-pid=5'];
    const command = 'exec "$@" 5>output 0<&- 1>&- 2>&-';
    const started = await runDaemonByShell(command, { folder, config, args });
    expect(started.code).toBe(0);
    const { address } = daemonFrom(join(folder, 'output'));
    expect((await askForId(address)).code).toBe(0);
  });

  test('keeps nothing open that whoever started it may wait for', async () => {
    const folder = folderOfTest();
    const args = [...IN_FOLDER(folder), ...BOTH_TO_STDOUT, '--fork'];
    // The shell ends when all writers of the pipe have closed it, descriptor 20 of the bus included.
    const command = '"$@" 20>&1 | cat >output';
    expect((await runDaemonByShell(command, { folder, args })).code).toBe(0);
    const { address } = daemonFrom(join(folder, 'output'));
    expect((await askForId(address)).code).toBe(0);
  });

  test('whose start fails says so in the foreground', async () => {
    const folder = folderOfTest();
    const args = ['--address=unix:path=/nowhere/bus', '--fork', '--print-pid'];
    const { code, stdout, stderr } = await runDaemon({ folder, args });
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^bus1-dbus-daemon: cannot listen on [^\n]+\n$/);
  });

  test('takes a configuration from a descriptor', async () => {
    const folder = folderOfTest();
    writeConfig(folder);
    const args = [...IN_FOLDER(folder), ...BOTH_TO_STDOUT, '--fork'];
    const options = { folder, config: '/proc/self/fd/7', args };
    expect((await runDaemonByShell('exec "$@" >output 7<bus.conf', options)).code).toBe(0);
    const { address } = daemonFrom(join(folder, 'output'));
    expect((await askForId(address)).code).toBe(0);
  });
});

/** proc_pid_stat(5): state, parent, process group, session follow the name in brackets. */
function sessionOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[3]);
}

describeWith([needs('dbus-send', 'dbus-bin')], 'a bus in the foreground', () => {
  test('prints exactly two lines', async () => {
    const folder = folderOfTest();
    const args = [...IN_FOLDER(folder), '--print-pid'];
    const { program, address } = await startDaemon({ folder, args });
    const pid = await program.waitForLine(/^\d+$/);
    expect(Number(pid)).toBe(program.pid);
    const { stdout, code } = await program.stop();
    expect([stdout, code]).toEqual([`${address}\n${pid}\n`, 0]);
  });

  test('does not need its configuration once the address is printed', async () => {
    const folder = folderOfTest();
    const config = writeConfig(folder);
    const { program, address } = await startDaemon({ folder, config, args: IN_FOLDER(folder) });
    rmSync(config);
    expect((await askForId(address)).code).toBe(0);
    expect((await program.stop()).code).toBe(0);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'ends with status 0 on %s, with a client that is connected',
    async (signal) => {
      const folder = folderOfTest();
      const { program } = await startDaemon({ folder, args: IN_FOLDER(folder) });
      const client = createConnection(join(folder, 'bus'));
      await once(client, 'connect');
      // The kernel may well say that the bus hung up on it.
      client.on('error', () => {});
      program.kill(signal);
      expect((await program.ended).code).toBe(0);
      client.destroy();
      expect(existsSync(join(folder, 'bus'))).toBe(false);
    },
  );

  test('goes on when nobody reads its log any more', async () => {
    const folder = folderOfTest();
    const options = [
      `--config-file=${writeConfig(folder)}`,
      ...IN_FOLDER(folder),
      '--print-address',
    ];
    const child = spawn(process.execPath, [DAEMON, ...options]);
    killAtExit(child);
    const exit = once(child, 'exit');
    const [line] = await once(child.stdout, 'data');
    child.stderr.destroy();
    child.kill('SIGHUP');
    expect((await askForId(String(line).trim())).code).toBe(0);
    child.kill('SIGTERM');
    expect(await exit).toEqual([0, null]);
  });

  test('cannot print to a descriptor that is not open', async () => {
    const folder = folderOfTest();
    const { code, stderr } = await runDaemon({
      folder,
      args: [...IN_FOLDER(folder), '--print-pid=99'],
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^bus1-dbus-daemon: cannot print to descriptor 99: EBADF[^\n]*\n$/);
    expect(existsSync(join(folder, 'bus'))).toBe(false);
  });
});
