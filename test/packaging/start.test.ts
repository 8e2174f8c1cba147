import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { ROOT } from '../support/bus-command.js';
import { cleanEnvironment } from '../support/bus.js';
import { folderOfTest } from '../control/daemon.js';

test('SIGTERM to npm start stops the bus, although npm runs it through a shell', async () => {
  const npm = spawn('npm', ['start', '--silent'], {
    env: cleanEnvironment(folderOfTest()),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let pid: number | undefined;
  try {
    for await (const line of createInterface({ input: npm.stderr })) {
      const found = /"pid":(\d+),"msg":"the bus listens"/.exec(line);
      if (found === null) continue;
      pid = Number(found[1]);
      break;
    }
    expect(pid).toBeDefined();
    // npm hands the signal to its child and waits for that; a shell there would die and leave the bus.
    const ended = once(npm, 'exit');
    npm.kill('SIGTERM');
    await ended;
    expect(() => process.kill(pid!, 0)).toThrow('ESRCH');
  } finally {
    try {
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended, as it should.
    }
  }
});

test('no script of npm leaves the program that it ends with behind', () => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  );
  const longRunning = Object.values(scripts).filter((script) => /^npm run .*&& /.test(script));
  expect(longRunning.length).toBeGreaterThan(5);
  for (const script of longRunning) expect(script).toMatch(/&& exec (?:node|test)\b/);
});
