// A host is a process whose only thread carries messages: it heeds signals nevertheless.
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { processGone } from '../support/process.js';
import { RawClient } from '../support/raw-client.js';
import { BusWithHosts } from './bus-with-hosts.js';

describe('a host process', () => {
  let bus: BusWithHosts;

  beforeEach(async () => {
    bus = await BusWithHosts.start(2);
  });
  afterEach(() => bus.stop());

  const hosts = async (): Promise<number[]> => (await bus.status()).hosts.map(({ pid }) => pid);

  test('leaves SIGINT and SIGHUP to its parent', async () => {
    const before = await hosts();
    for (const pid of before) process.kill(pid, 'SIGINT');
    for (const pid of before) process.kill(pid, 'SIGHUP');
    expect(await hosts()).toEqual(before);
  });

  test('ends by SIGTERM, and is replaced', async () => {
    const [victim] = await hosts();
    process.kill(victim, 'SIGTERM');
    const { hosts: now } = await bus.statusWhen(
      (status) => status.hosts.length === 2 && status.hosts.every(({ pid }) => pid !== victim),
    );
    expect(now).toHaveLength(2);
    expect(bus.stderr).toContain('a host has ended');
  });

  test('ends by SIGTERM with its clients, when its parent has been killed', async () => {
    const client = RawClient.open(bus.address);
    const pids = await hosts();
    bus.child.kill('SIGKILL');
    await once(bus.child, 'exit');
    for (const pid of pids) process.kill(pid, 'SIGTERM');
    for (const pid of pids) await processGone(pid);
    expect(client.receiveUntilEnd().map(({ member }) => member)).toEqual(['NameAcquired']);
    client.close();
  });
});
