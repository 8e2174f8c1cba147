// What the policy of the bus means for native peers, whose messages no shim of the bus looks at.
import { writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { join, type Bus } from '#bridge/client/index.js';
import { openFolder, ROOT } from '../support/bus-command.js';
import { cleanEnvironment } from '../support/bus.js';
import { output, start, type Environment, type Program } from '../support/process.js';

const SERVICE = 'org.bus1.Guarded';
const POLICY = `
<busconfig>
  <type>session</type>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/><allow user="*"/>
    <deny send_destination="${SERVICE}" send_interface="org.bus1.Test" send_member="Forbidden"/>
  </policy>
  <policy user="12345"><deny own="org.bus1.Nobody"/></policy>
</busconfig>`;

describe('a native peer, where the policy is about single messages', () => {
  const folder = openFolder('native-policy-');
  const address = `unix:path=${joinPath(folder, 'bus')}`;
  const env: Environment = { ...cleanEnvironment(folder), DBUS_SESSION_BUS_ADDRESS: address };
  let bridge: Program;
  let service: Program;
  let bus: Bus;

  beforeAll(async () => {
    const config = joinPath(folder, 'bus.conf');
    writeFileSync(config, POLICY);
    const program = joinPath(ROOT, 'dist/bridge/cli/bus1-bridge.js');
    const args = [program, 'run', '--config', config, '--address', address, '--print-address'];
    bridge = start(process.execPath, args, { env });
    await bridge.waitForLine(/^unix:/);
    service = start('dbus-test-tool', ['echo', '--session', `--name=${SERVICE}`], { env });
    bus = await join({ address });
    for (;;) {
      const { body } = await bus.call({
        ...DRIVER,
        member: 'NameHasOwner',
        signature: 's',
        body: [SERVICE],
      });
      if (body[0] === true) break;
    }
  });
  afterAll(async () => {
    bus.close();
    await service.stop();
    await bridge.stop();
  });

  const DRIVER = {
    destination: 'org.freedesktop.DBus',
    path: '/org/freedesktop/DBus',
    interface: 'org.freedesktop.DBus',
  };
  const call = (member: string) =>
    bus.call({ destination: SERVICE, path: '/', interface: 'org.bus1.Test', member });

  test('what is allowed passes, and comes from the peer itself', async () => {
    expect((await call('Allowed')).body).toEqual([]);
  });

  test('what is denied is answered with the rule', async () => {
    await expect(call('Forbidden')).rejects.toMatchObject({
      name: 'org.freedesktop.DBus.Error.AccessDenied',
      message: expect.stringMatching(/Rejected send message.*bus\.conf:\d+/),
    });
  });

  test('by its unique name as well', async () => {
    const owner = await bus.call({
      ...DRIVER,
      member: 'GetNameOwner',
      signature: 's',
      body: [SERVICE],
    });
    const direct = (member: string) =>
      bus.call({
        destination: String(owner.body[0]),
        path: '/',
        interface: 'org.bus1.Test',
        member,
      });
    expect((await direct('Allowed')).body).toEqual([]);
    await expect(direct('Forbidden')).rejects.toMatchObject({
      name: 'org.freedesktop.DBus.Error.AccessDenied',
    });
  });

  test('legacy software sees it as an ordinary connection, with its credentials', async () => {
    const text = await output(
      'gdbus',
      [
        'call',
        '--session',
        '--dest',
        DRIVER.destination,
        '--object-path',
        DRIVER.path,
        '--method',
        'org.freedesktop.DBus.GetConnectionCredentials',
        bus.uniqueName,
      ],
      { env },
    );
    expect(text).toContain(`'ProcessID': <uint32 ${process.pid}>`);
    expect(text).toContain(`'UnixUserID': <uint32 ${process.getuid!()}>`);
  });
});
