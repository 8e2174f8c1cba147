// A bus opens few files when it starts: each takes time, and more where the disk is slow.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { cleanEnvironment, describeWith, needs, sessionConfig } from '../support/bus.js';

const PROGRAM = resolve('dist/bridge/cli/bus1-dbus-daemon.js');

/** What Node opens for itself and for a thread. */
const BARE = ['-e', 'new (require("node:worker_threads").Worker)("0", { eval: true })'];

/** package.json beside the program, the program, two parts with V8's code of each, koffi, configuration, machine ID. */
const FILES_MAX = 9;

const folder = mkdtempSync(join(tmpdir(), 'opened-files-'));
const config = join(folder, 'bus.conf');
const trace = join(folder, 'trace');
const env = cleanEnvironment(folder);
const TRACED = ['-f', '-e', 'trace=open,openat', '-o', trace, process.execPath];

/** Starts a bus, and ends it once clients can connect; returns what had been opened by then. */
async function startAndStop(): Promise<string[]> {
  const words = [...TRACED, PROGRAM, `--config-file=${config}`, '--nofork', '--print-address'];
  const strace = spawn('strace', words, { env, stdio: ['ignore', 'pipe', 'ignore'] });
  await once(strace.stdout, 'data');
  const files = opened();
  const [bus] = readFileSync(`/proc/${strace.pid}/task/${strace.pid}/children`, 'utf8').split(' ');
  process.kill(Number(bus), 'SIGTERM');
  await once(strace, 'exit');
  return files;
}

function opened(): string[] {
  const lines = readFileSync(trace, 'utf8').split('\n');
  return lines.flatMap((line) =>
    / = -1 /.test(line) ? [] : (/open(?:at)?\(.*?"([^"]*)"/.exec(line)?.[1] ?? []),
  );
}

/** Each as often as it occurs in `all` and not in `others`. */
function without(all: readonly string[], others: readonly string[]): string[] {
  const left = [...others];
  return all.filter((file) => {
    const at = left.indexOf(file);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

describeWith([needs('strace', 'strace')], 'the files of a bus', () => {
  test('are few, but for those of Node', async () => {
    writeFileSync(config, sessionConfig(`unix:path=${folder}/bus`));
    await startAndStop();
    const files = await startAndStop();
    expect(spawnSync('strace', [...TRACED, ...BARE], { env }).status).toBe(0);
    /* the C library counts the processors there, when many threads allocate memory at once */
    const own = without(files, opened()).filter((file) => !file.startsWith('/sys/'));
    expect(own).toContain(PROGRAM);
    /* all of them, to tell which are too many */
    expect(own.length > FILES_MAX ? own : []).toEqual([]);
  });
});
