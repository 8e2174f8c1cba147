// `bus1-bridge denials`: what the policy has refused is counted, whoever it was refused to.
import { writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { join, type Bus } from '#bridge/client/index.js';
import type { DenialRow } from '#bridge/registry/denials.js';
import { BusWithHosts } from '../hosts/bus-with-hosts.js';
import { openFolder, ROOT } from '../support/bus-command.js';
import { output, start } from '../support/process.js';

const PROGRAM = joinPath(ROOT, 'dist/bridge/cli/bus1-bridge.js');
const DRIVER = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
};
const CONFIG = `
<busconfig>
  <type>session</type>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
    <deny send_destination="org.bus1.Denied"/>
    <deny own="org.bus1.NotYours"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus" send_member="ListNames"/>
    <deny send_destination="org.bus1.Judging" send_member="Native" send_path="/org/freedesktop/DBus"/>
  </policy>
</busconfig>`;

describe.each([1, 2])('with %i host(s)', (hosts) => {
  const file = joinPath(openFolder('denials-'), 'bus.conf');
  let bridge: BusWithHosts;
  let service: Bus;
  let clients: readonly Bus[];

  const denials = async (...options: string[]): Promise<string> =>
    output(process.execPath, [PROGRAM, 'denials', ...options, bridge.address], { env: bridge.env });
  const refused = async (bus: Bus, member = 'Any', destination = 'org.bus1.Denied') => {
    const call = bus.call({ ...DRIVER, destination, interface: DRIVER.interface, member });
    await expect(call).rejects.toMatchObject({ name: /AccessDenied/ });
  };

  beforeAll(async () => {
    writeFileSync(file, CONFIG);
    bridge = await BusWithHosts.start(hosts, ['--config', file]);
    const { address } = bridge;
    service = await join({ address, transport: 'socket' });
    await service.requestName('org.bus1.Denied');
    clients = [
      await join({ address, transport: 'socket' }),
      await join({ address, transport: 'domain' }),
    ];
  });
  afterAll(async () => {
    for (const bus of [service, ...clients]) bus.close();
    await bridge.stop();
  });

  test('nothing yet', async () => {
    expect(await denials()).toBe('nothing has been refused since the bus started\n');
    expect(await denials('--json')).toBe('');
  });

  test('a row for a program, a rule and a message, with how often', async () => {
    for (const bus of clients) {
      for (let i = 0; i < 3; i++) await refused(bus);
      await refused(bus, 'ListNames', 'org.freedesktop.DBus');
      await expect(bus.requestName('org.bus1.NotYours')).rejects.toThrow('security policies');
    }
    const rows = (await denials('--json'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as DenialRow);
    const common = { program: process.execPath, uid: process.getuid!(), pid: process.pid };
    const row = (line: number, count: number, message: string) =>
      expect.objectContaining({
        ...common,
        count,
        message: expect.stringContaining(message),
        rule: `${file}:${line}`,
      });
    expect(rows).toHaveLength(3);
    expect(rows).toEqual(
      expect.arrayContaining([
        row(6, 6, 'member="Any" path="/org/freedesktop/DBus" destination="org.bus1.Denied"'),
        row(7, 2, 'own="org.bus1.NotYours"'),
        row(8, 2, 'member="ListNames"'),
      ]),
    );
    expect(await denials()).toMatch(/\(:1\.\d+, pid \d+, uid \d+\), 6 times: type="method_call"/);
  });

  test('what a native receiver has refused is counted as its word', async () => {
    const receiver = await join({ address: bridge.address, transport: 'domain' });
    await receiver.requestName('org.bus1.Judging');
    const sender = await join({ address: bridge.address, transport: 'domain' });
    for (let i = 0; i < 3; i++) await refused(sender, 'Native', 'org.bus1.Judging');
    await sender.call({ ...DRIVER, member: 'GetId' });
    await receiver.call({ ...DRIVER, member: 'GetId' });
    const line = (await denials('--json')).split('\n').find((each) => each.includes('Native'));
    expect(JSON.parse(line!)).toMatchObject({
      name: sender.uniqueName,
      why: expect.stringContaining(`reported by ${receiver.uniqueName}`),
      rule: `${file}:9`,
      count: 3,
    });
    for (const bus of [receiver, sender]) bus.close();
  });

  test('--follow tells what comes later', async () => {
    const args = [PROGRAM, 'denials', '--follow', '--json', bridge.address];
    const follower = start(process.execPath, args, { env: bridge.env });
    await follower.waitForLine(/ListNames/);
    await refused(clients[1], 'Later');
    const line = await follower.waitForLine(/Later/);
    expect(JSON.parse(line)).toMatchObject({ count: 1, rule: `${file}:6` });
    await follower.stop();
  });
});
