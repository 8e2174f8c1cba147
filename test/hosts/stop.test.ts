// The stop test: whoever has been introduced needs nobody in the middle. `npm run test:stop`
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { run } from '../support/process.js';
import { BusWithHosts } from './bus-with-hosts.js';
import { PeerProcess, type CallResult, type PeerKind } from './peer-process.js';

const CALLS = 100_000;
const WARM_UP_CALLS = 20_000;

interface Pair {
  readonly what: string;
  readonly caller: PeerKind;
  readonly service: PeerKind;
}

const PAIRS: readonly Pair[] = [
  { what: 'two legacy clients on two hosts', caller: 'legacy', service: 'legacy' },
  { what: 'two native peers', caller: 'native', service: 'native' },
  { what: 'a legacy client and a native service', caller: 'legacy', service: 'native' },
];

const usPerCall = ({ ns, made }: CallResult): string => `${(ns / made / 1000).toFixed(1)} us`;

describe('with authority, registry and driver stopped', () => {
  let bus: BusWithHosts;
  const peers: PeerProcess[] = [];
  const callers: PeerProcess[] = [];

  beforeAll(async () => {
    bus = await BusWithHosts.start(2);
    for (const [index, { caller, service }] of PAIRS.entries()) {
      const name = `org.bus1.Pair${index}`;
      peers.push(await PeerProcess.start(service, 'serve', bus.address, name));
      callers.push(await PeerProcess.start(caller, 'call', bus.address, name));
    }
    peers.push(...callers);
  });

  afterAll(async () => {
    for (const peer of peers) await peer.kill();
    process.kill(bus.pid, 'SIGCONT');
    await bus.stop();
  });

  test('conversations go on, none is lost, and all continues afterwards', async () => {
    const { authority, hosts, natives } = await bus.status();
    expect(authority).toMatchObject({ pid: bus.pid, connections: 0 });
    expect(hosts).toHaveLength(2);
    for (const host of hosts) expect(host.connections).toBeGreaterThan(0);
    expect(natives).toHaveLength(3);

    for (const caller of callers) await caller.call(WARM_UP_CALLS); // until everything is compiled
    const before: CallResult[] = [];
    for (const caller of callers) before.push(await caller.call(CALLS));
    process.kill(bus.pid, 'SIGSTOP');
    const during: CallResult[] = [];
    for (const caller of callers) during.push(await caller.call(CALLS));
    process.kill(bus.pid, 'SIGCONT');

    for (const [index, { what }] of PAIRS.entries()) {
      const { made, lost } = during[index];
      const times = `${usPerCall(before[index])} a call before, ${usPerCall(during[index])} during`;
      process.stdout.write(`stop: ${what}: ${made} calls, ${lost} lost; ${times}\n`);
    }
    for (const result of [...before, ...during])
      expect(result).toMatchObject({ lost: 0, error: '' });

    for (const caller of callers) expect(await caller.call(100)).toMatchObject({ lost: 0 });
    const list = [
      '--session',
      '--print-reply',
      '--dest=org.freedesktop.DBus',
      '/',
      'org.freedesktop.DBus.ListNames',
    ];
    const { code, stdout } = await run('dbus-send', list, { env: bus.env });
    expect(code).toBe(0);
    for (const [index] of PAIRS.entries()) expect(stdout).toContain(`org.bus1.Pair${index}`);
  }, 300_000);
});
