// `bus1-bridge explain --bus`: a running bus tells why it lets a message pass between two of its connections, or not.
import { writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { join, type Bus } from '#bridge/client/index.js';
import { BusWithHosts } from '../hosts/bus-with-hosts.js';
import { openFolder, ROOT } from '../support/bus-command.js';
import { describeWith, needs, startBus } from '../support/bus.js';
import { run, start } from '../support/process.js';

const PROGRAM = joinPath(ROOT, 'dist/bridge/cli/bus1-bridge.js');
const SERVICE = 'org.bus1.Service';
const STARTABLE = 'org.bus1.Startable';
const DRIVER = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
};
const MESSAGE = ['--path', '/', '--interface', 'org.bus1.I'];

const config = (services: string, rules = ''): string => `
<busconfig>
  <type>session</type>
  <servicedir>${services}</servicedir>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
    <deny send_destination="${SERVICE}" send_interface="org.bus1.I" send_member="Forbidden"/>
    <deny send_destination="${STARTABLE}"/>
    ${rules}
  </policy>
</busconfig>`;

/** With a way to ask `explain` about a bus. */
function asking(address: string) {
  return async (...words: string[]): Promise<{ code: number; text: string; error: string }> => {
    const args = [PROGRAM, 'explain', '--bus', address, ...words];
    const { code, stdout, stderr } = await run(process.execPath, args);
    return { code, text: stdout, error: stderr };
  };
}

describe.each([1, 2])('with %i host(s)', (hosts) => {
  const folder = openFolder('explain-');
  const file = joinPath(folder, 'bus.conf');
  let bridge: BusWithHosts;
  let client: Bus;
  let service: Bus;
  let explain: ReturnType<typeof asking>;

  beforeAll(async () => {
    const exec = `[D-BUS Service]\nName=${STARTABLE}\nExec=/bin/false\n`;
    writeFileSync(joinPath(folder, `${STARTABLE}.service`), exec);
    writeFileSync(file, config(folder));
    bridge = await BusWithHosts.start(hosts, ['--config', file]);
    explain = asking(bridge.address);
    client = await join({ address: bridge.address, transport: 'socket' });
    service = await join({ address: bridge.address, transport: 'domain' });
    await service.requestName(SERVICE);
  });
  afterAll(async () => {
    for (const bus of [client, service]) bus.close();
    await bridge.stop();
  });

  const reload = async (rules?: string): Promise<void> => {
    writeFileSync(file, config(folder, rules));
    await client.call({ ...DRIVER, member: 'ReloadConfig' });
  };

  test('a name, and the unique name behind it, with the rule and what would change that', async () => {
    for (const to of [SERVICE, service.uniqueName]) {
      const words = ['--from', client.uniqueName, '--to', to, ...MESSAGE, '--member', 'Forbidden'];
      const { code, text } = await explain(...words);
      expect(text).toMatch(/^denied\nsend: denied by <deny .*"Forbidden"\/> at .*bus\.conf:7$/mu);
      expect(text).toContain(
        `to allow it: <allow send_destination="${SERVICE}" send_interface="org.bus1.I" ` +
          `send_member="Forbidden"/>, after ${file}:7`,
      );
      expect(code).toBe(1);
    }
    const other = ['--from', client.uniqueName, '--to', SERVICE, ...MESSAGE, '--member', 'Other'];
    const { code, text } = await explain(...other);
    expect([code, text.split('\n')[0]]).toEqual([0, 'allowed']);
  });

  test('a name that another connection has, before and after it has it', async () => {
    const words = ['--from', client.uniqueName, '--to', service.uniqueName, ...MESSAGE];
    const forbidden = [...words, '--member', 'Forbidden'];
    await service.releaseName(SERVICE);
    expect((await explain(...forbidden)).code).toBe(0);
    await service.requestName(SERVICE);
    expect((await explain(...forbidden)).code).toBe(1);
  });

  test('a service that would have to be started, and the bus itself', async () => {
    const from = ['--from', client.uniqueName];
    expect((await explain(...from, '--to', STARTABLE, ...MESSAGE)).text).toMatch(/^denied/u);
    expect((await explain(...from, '--to', DRIVER.destination)).text).toMatch(/^allowed/u);
  });

  test('the rules that are in force after a reload', async () => {
    const words = ['--from', client.uniqueName, '--to', SERVICE, ...MESSAGE, '--member', 'Other'];
    await reload(`<deny send_destination="${SERVICE}"/>`);
    expect(await explain(...words)).toMatchObject({ code: 1 });
    await reload();
    expect(await explain(...words, '--json')).toMatchObject({
      code: 0,
      text: expect.stringMatching(/^\{"allowed":true,"lines":\["allowed",/u),
    });
  });

  test.each([
    [['--from', ':1.999', '--to', SERVICE], 1, /the name :1\.999 has no owner on this bus/u],
    [['--from', 'org.bus1.Nobody', '--to', SERVICE], 1, /the name org\.bus1\.Nobody has no owner/u],
    [['--from', '1', '--to', SERVICE], 1, /process 1 has no connection to this bus/u],
    [['--from', 'x y', '--to', SERVICE], 2, /"x y" is neither a bus name nor a process ID/u],
    [['--to', SERVICE], 2, /give one --from and one --to/u],
    [['--from', 'a.b', '--to', SERVICE, '--user', '0'], 2, /--user, .* do not apply/u],
    [['/etc/x', '--from', 'a.b', '--to', SERVICE], 2, /give either a file or --bus/u],
  ])('%j is a mistake', async (words, status, message) => {
    const { code, error } = await explain(...words);
    expect(error).toMatch(message);
    expect(code).toBe(status);
  });

  test('a process with several connections has to be told apart', async () => {
    const { error } = await explain('--from', String(process.pid), '--to', SERVICE);
    expect(error).toMatch(/process \d+ has several connections: (:1\.\d+(, )?)+; name one/u);
  });
});

describeWith([needs('gdbus', 'libglib2.0-bin')], 'bus1-dbus-daemon, with one host', () => {
  test('explains itself to a process', async () => {
    const bus = await startBus();
    const watcher = await join({ address: bus.address });
    const changes = watcher.signals({ ...DRIVER, member: 'NameOwnerChanged' }).open();
    const waiting = start('gdbus', ['wait', '--session', 'org.bus1.Never'], { env: bus.env });
    await (await changes)[Symbol.asyncIterator]().next();
    const { text } = await asking(bus.address)(
      '--from',
      String(waiting.pid),
      '--to',
      watcher.uniqueName,
    );
    expect(text).toMatch(/^allowed\n/u);
    watcher.close();
    await waiting.stop();
    await bus.stop();
  });
});
