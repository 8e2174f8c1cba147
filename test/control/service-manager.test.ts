import { join } from 'node:path';
import { expect, test } from 'vitest';
import { datagramReader } from './datagram-reader.js';
import { folderOfTest, startDaemon } from './daemon.js';

test('the service manager is told when the bus is ready, reloads and stops', async () => {
  const folder = folderOfTest();
  const path = join(folder, 'notify');
  const manager = datagramReader(path);
  const args = [`--address=unix:path=${folder}/bus`];
  const { program } = await startDaemon({ folder, args, env: { NOTIFY_SOCKET: path } });
  expect(manager.next()).toBe('READY=1\nSTATUS=Serving clients.');
  program.kill('SIGHUP');
  expect(manager.next()).toMatch(/^RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=.+$/);
  expect(manager.next()).toBe('READY=1\nSTATUS=Serving clients.');
  program.kill('SIGTERM');
  expect(manager.next()).toBe('STOPPING=1\nSTATUS=Closing the connections.');
  expect((await program.ended).code).toBe(0);
});
