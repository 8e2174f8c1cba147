import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';

test('SIGTERM to npm start stops the bus, although npm runs it through a shell', async () => {
  const npm = spawn('npm', ['start', '--silent'], { stdio: ['ignore', 'pipe', 'pipe'] });
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
