import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const CLIENTS = 10;

test('an authority without descriptors sleeps, and accepts again when somebody has left', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'authority-'));
  const path = join(directory, 'authority');
  const child = fork(fileURLToPath(new URL('crowded-authority.mjs', import.meta.url)), [path]);
  await once(child, 'message');
  const clients = Array.from({ length: CLIENTS }, () => connect(path));
  for (const client of clients) client.on('error', () => {});
  const [first] = (await once(child, 'message')) as [Record<string, unknown>];
  expect(first).toMatchObject({
    diagnostics: ['no new members are accepted for now: EMFILE'],
    isAwake: false,
  });
  expect(first['accepted']).toBeGreaterThan(0);
  expect(first['accepted']).toBeLessThan(CLIENTS);
  child.send('one leaves');
  clients[0].destroy();
  const [second] = (await once(child, 'message')) as [Record<string, unknown>];
  expect(second).toEqual({ hasRoom: true, accepted: first['accepted'] });
  for (const client of clients) client.destroy();
  rmSync(directory, { recursive: true });
});
