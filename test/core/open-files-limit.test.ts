import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { setOpenFilesLimitOf } from '#core/linux/index.js';

test('the limit of another process can be set, until it has gone', async () => {
  const child = spawn('/bin/sleep', ['1000']);
  await once(child, 'spawn');
  setOpenFilesLimitOf(child.pid!, { soft: 100, hard: 200 });
  expect(readFileSync(`/proc/${child.pid}/limits`, 'latin1')).toMatch(/Max open files +100 +200 /);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(() => setOpenFilesLimitOf(child.pid!, { soft: 100, hard: 200 })).toThrow('ESRCH');
});
