import { chmodSync } from 'node:fs';
import { expect, test, type TestContext } from 'vitest';
import { lookupUser } from '#core/linux/index.js';
import { busCommandForEveryUser } from '../support/bus-command.js';
import { run } from '../support/process.js';
import { skipBecause } from '../support/software.js';
import { folderOfTest, openConfig, startDaemon, writeConfig } from './daemon.js';

const USER = 'nobody';

function needsRoot(context: TestContext): void {
  if (process.getuid!() !== 0) skipBecause(context, 'only root can change the user');
}

test('<user> is who the bus is in all its threads, and whom it reports', async (context) => {
  needsRoot(context);
  const folder = folderOfTest();
  chmodSync(folder, 0o777);
  const config = writeConfig(folder, openConfig(`<user>${USER}</user>`));
  const args = [`--address=unix:path=${folder}/bus`];
  const { program, address } = await startDaemon({ folder, config, args });
  const { uid, gid } = lookupUser(USER)!;
  const threads = await run('sh', ['-c', `cat /proc/${program.pid}/task/*/status`]);
  const ids = new Set(threads.stdout.split('\n').filter((line) => /^(?:Uid|Gid):/.test(line)));
  expect([...ids].toSorted()).toEqual([
    `Gid:\t${gid}\t${gid}\t${gid}\t${gid}`,
    `Uid:\t${uid}\t${uid}\t${uid}\t${uid}`,
  ]);
  const call = ['--dest=org.freedesktop.DBus', '--print-reply=literal', '/'];
  const method = 'org.freedesktop.DBus.GetConnectionUnixUser';
  const words = [`--bus=${address}`, ...call, method, 'string:org.freedesktop.DBus'];
  expect((await run('dbus-send', words)).stdout.trim()).toBe(`uint32 ${uid}`);
  expect((await program.stop()).code).toBe(0);
});

test('a bus that may not become <user> does not start', async (context) => {
  needsRoot(context);
  const folder = folderOfTest();
  chmodSync(folder, 0o777);
  const config = writeConfig(folder, openConfig('<user>root</user>'));
  const { uid, gid } = lookupUser(USER)!;
  const options = [`--config-file=${config}`, `--address=unix:path=${folder}/bus`];
  const daemon = [...busCommandForEveryUser(folder), ...options];
  const result = await run('setpriv', [
    `--reuid=${uid}`,
    `--regid=${gid}`,
    '--clear-groups',
    ...daemon,
  ]);
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(
    /^bus1-dbus-daemon: cannot become the user "root": [^\n]*EPERM[^\n]*\n$/,
  );
});
