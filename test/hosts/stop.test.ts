// The stop test: whoever has been introduced needs nobody in the middle. `npm run test:stop`
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { openFolder } from '../support/bus-command.js';
import { run } from '../support/process.js';
import { BusWithHosts, type BusStatus, type HostStatus } from './bus-with-hosts.js';
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
  { what: 'a native client and a legacy service', caller: 'native', service: 'legacy' },
];

/** As on a system bus: nobody may call anything but what a rule allows, and that by interface. */
const SYSTEM_POLICY = `
<busconfig>
  <type>session</type>
  <policy context="default">
    <allow user="*"/><deny own="*"/><deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/>
    <allow receive_type="error"/><allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
    ${PAIRS.map(
      (_pair, index) => `<allow own="org.bus1.Pair${index}"/>
    <allow send_destination="org.bus1.Pair${index}" send_interface="org.bus1.Test"/>`,
    ).join('\n    ')}
  </policy>
</busconfig>`;

const configuration = (): string[] => {
  const file = join(openFolder('stop-policy-'), 'bus.conf');
  writeFileSync(file, SYSTEM_POLICY);
  return ['--config', file];
};

type Totals = Record<'messages' | 'facetsCompiled' | 'facetChecks', number>;

/** What the processes of the bus have done, the authority by itself and all hosts together. */
function totals({ authority, hosts }: BusStatus): { authority: Totals; hosts: Totals } {
  const sum = (of: (status: HostStatus) => number): number =>
    hosts.reduce((total, status) => total + of(status), 0);
  return {
    authority,
    hosts: {
      messages: sum(({ messages }) => messages),
      facetsCompiled: sum(({ facetsCompiled }) => facetsCompiled),
      facetChecks: sum(({ facetChecks }) => facetChecks),
    },
  };
}

const usPerCall = ({ ns, made }: CallResult): string => `${(ns / made / 1000).toFixed(1)} us`;

describe.each([
  ['an open policy', (): string[] => [], 0],
  /* of the calls, those that a host judges: the legacy sender's, or the legacy receiver's; answers are open */
  ['the policy of a system bus', configuration, 3],
] as const)('with %s, and authority, registry and driver stopped', (policy, options, judged) => {
  let bus: BusWithHosts;
  const peers: PeerProcess[] = [];
  const callers: PeerProcess[] = [];

  beforeAll(async () => {
    bus = await BusWithHosts.start(2, options());
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
    expect(natives).toHaveLength(4);

    for (const caller of callers) await caller.call(WARM_UP_CALLS); // until everything is compiled
    const started = totals(await bus.status());
    const before: CallResult[] = [];
    for (const caller of callers) before.push(await caller.call(CALLS));
    const made = totals(await bus.status());
    process.kill(bus.pid, 'SIGSTOP');
    const during: CallResult[] = [];
    for (const caller of callers) during.push(await caller.call(CALLS));
    process.kill(bus.pid, 'SIGCONT');

    for (const [index, { what }] of PAIRS.entries()) {
      const { made, lost } = during[index];
      const times = `${usPerCall(before[index])} a call before, ${usPerCall(during[index])} during`;
      process.stdout.write(`stop, ${policy}: ${what}: ${made} calls, ${lost} lost; ${times}\n`);
    }
    /* asking for the status is all that the process of the registry had to do */
    const facetChecks = judged * CALLS;
    expect(made.authority.messages - started.authority.messages).toBeLessThan(100);
    expect(made.authority).toMatchObject({
      facetsCompiled: started.authority.facetsCompiled,
      facetChecks: started.authority.facetChecks,
    });
    expect(made.hosts).toMatchObject({
      facetsCompiled: started.hosts.facetsCompiled,
      facetChecks: started.hosts.facetChecks + facetChecks,
    });
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
