import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { LocalDomain } from '#core/index.js';
import { watchReadable } from '#core/linux/index.js';
import { Authority, SharedDomain, type AuthorityOptions } from '#core/shared/index.js';

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

/** An authority in this process, and what it says. */
function openAuthority(options: AuthorityOptions) {
  const directory = mkdtempSync(join(tmpdir(), 'authority-'));
  const path = join(directory, 'authority');
  const diagnostics: string[] = [];
  const authority = new Authority({
    ...options,
    onDiagnostic: (text) => void diagnostics.push(text),
  });
  authority.listen(path);
  const watch = watchReadable(authority.fd, () => authority.dispatch());
  const close = () => {
    watch.close();
    authority.close();
    rmSync(directory, { recursive: true });
  };
  return { authority, path, diagnostics, close };
}

test('a process that may not join is told so by the end of the connection, and named', async () => {
  const asked: unknown[] = [];
  const { path, diagnostics, close } = openAuthority({
    mayJoin: (applicant) => {
      asked.push(applicant);
      return 'not today';
    },
  });
  const client = connect(path);
  await once(client, 'close');
  expect(asked).toMatchObject([
    { uid: process.getuid!(), pid: process.pid, gid: process.getgid!() },
  ]);
  expect(diagnostics).toEqual([
    expect.stringMatching(/^a process \(pid \d+, uid \d+, .*node.*\) was not admitted: not today$/),
  ]);
  close();
});

test('processes that never say hello keep nobody out, and are named a few times', async () => {
  const { authority, path, diagnostics, close } = openAuthority({});
  const silent = Array.from({ length: 60 }, () => connect(path));
  const closed = silent.map(async (client) => await once(client, 'close'));
  for (const client of silent) client.on('error', () => {});
  await Promise.all(silent.map(async (client) => await once(client, 'connect')));
  const maxima = { objects: 64, bytes: 4096, descriptors: 4 };
  const domain = SharedDomain.join(path, { local: new LocalDomain(), maxima });
  while (!domain.isReady) {
    authority.dispatch();
    domain.dispatch();
  }
  expect(authority.memberCount).toBe(1);
  await Promise.all(closed.slice(0, 60 - 32));
  expect(diagnostics.length).toBeLessThanOrEqual(10);
  expect(diagnostics[0]).toMatch(/uid \d+, .*\) was expelled: it has not said hello$/);
  for (const client of silent) client.destroy();
  domain.close();
  close();
});
