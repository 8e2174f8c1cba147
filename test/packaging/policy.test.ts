// The policy that the packages bring: a system bus denies what it allows to everybody else.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../support/bus-command.js';
import { run } from '../support/process.js';
import { BRIDGE, folderOfTest, startDaemon, writeConfig } from '../control/daemon.js';

const SYSTEM = `<policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="method_return"/>
    <allow send_type="error"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
  </policy>`;
const INCLUDE = `<include>${join(ROOT, 'packaging/policy/bus1-bridge.conf')}</include>`;
const isRoot = process.getuid?.() === 0;

test.each([
  ['without it, nobody asks a system bus for its state', '', 1],
  ['with it, root does', INCLUDE, isRoot ? 0 : 1],
])('%s', async (_, more, code) => {
  const folder = folderOfTest();
  const text = `<busconfig><listen>unix:path=${folder}/bus</listen>${SYSTEM}${more}</busconfig>`;
  const { address } = await startDaemon({ folder, config: writeConfig(folder, text) });
  for (const command of ['status', 'denials']) {
    const result = await run(process.execPath, [BRIDGE, command, address]);
    expect(result).toMatchObject({ code });
  }
});
