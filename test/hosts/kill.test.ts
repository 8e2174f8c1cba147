// The kill test: SIGKILL of any one process leaves all others with what is theirs. `npm run test:kill`
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { output, processGone, start, type Program } from '../support/process.js';
import { BusWithHosts, type BusStatus, type HostStatus } from './bus-with-hosts.js';
import { PeerProcess } from './peer-process.js';

/** What a process has open and mapped of the domain. */
interface Footprint {
  readonly descriptors: number;
  readonly mappings: number;
}

function footprint(pid: number): Footprint {
  const descriptors = readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return /socket|memfd|eventfd|pidfd/.test(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      return false;
    }
  }).length;
  const maps = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
  return { descriptors, mappings: maps.filter((line) => line.includes('memfd:bus1')).length };
}

/** What there is in all processes of the bus; who asks for the status counts on the one host or the other. */
function objects({ authority, hosts }: BusStatus): object {
  const all = [authority, ...hosts];
  const sum = (key: 'peers' | 'nodes' | 'handles' | 'channels'): number =>
    all.reduce((total, host) => total + host[key], 0);
  return {
    peers: sum('peers'),
    nodes: sum('nodes'),
    handles: sum('handles'),
    channels: sum('channels'),
  };
}

const CALLS = 2000;
const SERVICES = ['org.bus1.Legacy', 'org.bus1.Native'];

describe('when a process is killed', () => {
  let bus: BusWithHosts;
  let peers: PeerProcess[];
  let monitor: Program;

  beforeEach(async () => {
    bus = await BusWithHosts.start(2);
    monitor = start('gdbus', ['monitor', '--session', '--dest', 'org.freedesktop.DBus'], {
      env: bus.env,
    });
    await monitor.waitForLine(/is owned by/);
    peers = [];
  });

  afterEach(async () => {
    for (const peer of peers) await peer.kill();
    await monitor.stop();
    await bus.stop();
  });

  const begin = async (...args: Parameters<typeof PeerProcess.start>): Promise<PeerProcess> => {
    const peer = await PeerProcess.start(...args);
    peers.push(peer);
    return peer;
  };

  const report = (who: string, consequence: string): void => {
    process.stdout.write(`kill: ${who}: ${consequence}\n`);
  };

  const hostOf = async (name: string, { hosts }: BusStatus): Promise<HostStatus> => {
    const interfaceName = 'org.freedesktop.DBus.Debug.Stats';
    const member = `${interfaceName}.GetConnectionStats`;
    const bus1 = [
      '--session',
      '--dest',
      'org.freedesktop.DBus',
      '--object-path',
      '/org/freedesktop/DBus',
    ];
    const text = await output('gdbus', ['call', ...bus1, '--method', member, name], {
      env: bus.env,
    });
    const id = Number(/'org.bus1.Process': <uint64 (\d+)>/.exec(text)?.[1]);
    return hosts.find((host) => host.process === id)!;
  };

  const isGone = (name: string): Promise<string> =>
    monitor.waitForLine(new RegExp(`NameOwnerChanged \\('${name}', '[^']+', ''\\)`));

  test('a native peer: its names go, its callers are told, nothing of it is left', async () => {
    const other = await begin('native', 'serve', bus.address, 'org.bus1.Other');
    const caller = await begin('native', 'call', bus.address, 'org.bus1.Native');
    const watcher = await begin('legacy', 'call', bus.address, 'org.bus1.Native');
    expect(await caller.resolve('org.bus1.Native')).toMatch(/ServiceUnknown/);
    expect(await watcher.resolve('org.bus1.Native')).toMatch(/ServiceUnknown/);
    const before = await bus.status();
    const marks = [bus.pid, ...before.hosts.map(({ pid }) => pid), other.pid, caller.pid];
    const prints = marks.map(footprint);

    const service = await begin('native', 'serve', bus.address, 'org.bus1.Native');
    for (const each of [caller, watcher]) expect(await each.call(CALLS)).toMatchObject({ lost: 0 });
    await service.kill();
    await isGone('org.bus1.Native');
    await isGone(service.uniqueName);
    for (const each of [caller, watcher]) {
      const { lost, error } = await each.call(10);
      expect(lost).toBe(10);
      expect(error).toMatch(/ServiceUnknown|NoReply/);
    }
    const after = await bus.statusWhen((status) => status.natives.length === 2);
    expect(objects(after)).toEqual(objects(before));
    expect(marks.map(footprint)).toEqual(prints);
    report(
      'a native service',
      `callers got an error, ${marks.length} processes hold nothing of it`,
    );
  });

  test('a host: its clients are gone, another takes its place, all others go on', async () => {
    const native = await begin('native', 'serve', bus.address, 'org.bus1.Native');
    const legacy = await begin('legacy', 'serve', bus.address, 'org.bus1.Legacy');
    const toNative = await begin('native', 'call', bus.address, 'org.bus1.Native');
    const toLegacy = await begin('native', 'call', bus.address, 'org.bus1.Legacy');
    for (const caller of [toNative, toLegacy]) {
      expect(await caller.call(CALLS)).toMatchObject({ lost: 0 });
    }
    const before = await bus.status();
    const victim = await hostOf('org.bus1.Legacy', before);
    const prints = [native.pid, toNative.pid].map(footprint);

    const legacyEnded = once(legacy.child, 'exit');
    process.kill(victim.pid, 'SIGKILL');
    const monitorDied = await Promise.race([
      isGone('org.bus1.Legacy').then(() => false),
      monitor.ended.then(() => true),
    ]);
    const { lost, error } = await toLegacy.call(10);
    expect(lost).toBe(10);
    expect(error).toMatch(/ServiceUnknown|NoReply/);
    expect(await toNative.call(CALLS)).toMatchObject({ lost: 0 });
    await legacyEnded;

    const after = await bus.statusWhen(
      ({ hosts }) => hosts.length === 2 && hosts.every(({ pid }) => pid !== victim.pid),
    );
    expect(after.natives).toHaveLength(3);
    const again = await begin('legacy', 'serve', bus.address, 'org.bus1.Legacy');
    expect(await toLegacy.call(CALLS)).toMatchObject({ lost: 0 });
    await again.kill();
    expect(bus.stderr).toMatch(/a host has ended.*another one is started/);
    const held = [native.pid, toNative.pid].map(footprint);
    for (const [index, { mappings }] of held.entries()) {
      expect(mappings).toBeLessThanOrEqual(prints[index].mappings);
    }
    report(
      'a host',
      `its client's names went${monitorDied ? ', a monitor with it' : ''}, others went on, a new host took its place`,
    );
  });

  test('the authority: conversations go on, and what cannot go on says so', async () => {
    await begin('native', 'serve', bus.address, 'org.bus1.Native');
    await begin('legacy', 'serve', bus.address, 'org.bus1.Legacy');
    const pairs: [string, PeerProcess][] = [];
    for (const kind of ['native', 'legacy'] as const) {
      for (const name of SERVICES) {
        pairs.push([`${kind} to ${name}`, await begin(kind, 'call', bus.address, name)]);
      }
    }
    for (const [, caller] of pairs) expect(await caller.call(CALLS)).toMatchObject({ lost: 0 });
    const hosts = (await bus.status()).hosts.map(({ pid }) => pid);

    bus.child.kill('SIGKILL');
    await once(bus.child, 'exit');
    for (const [what, caller] of pairs) {
      expect({ what, ...(await caller.call(CALLS)) }).toMatchObject({ what, lost: 0 });
    }
    for (const [what, caller] of pairs) {
      expect({ what, said: await caller.resolve('org.bus1.Unknown') }).toMatchObject({
        said: expect.stringMatching(/Disconnected|BusClosed|gone|ended/),
      });
    }
    const legacy = pairs.filter(([what]) => what.startsWith('legacy'));
    for (const [, caller] of legacy) {
      expect(await caller.resolve('org.freedesktop.DBus')).toMatch(/Disconnected/);
    }
    expect(await pairs[0][1].closed).toMatch(/process of the bridge has ended/);
    for (const peer of peers) await peer.kill();
    monitor.kill('SIGKILL');
    await monitor.ended;
    for (const pid of hosts) await processGone(pid);
    report(
      'authority, registry and driver',
      'conversations went on, a new name got an error, the hosts ended with their last client',
    );
  });
});
