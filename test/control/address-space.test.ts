// Under a limit of address space (ulimit -v), a bus serves, or says in one line that the limit is too
// low: what V8 says of itself is for those who develop it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { callerEnvironment } from '#bridge/control/caller-environment.js';
import { folderOfTest, openConfig, writeConfig } from './daemon.js';

/** docs/packaging.md, "LimitAS=" */
const SERVED_MIN_KIB = Number(process.versions.node.split('.')[0]) < 22 ? 1_000_000 : 1_700_000;
const COMMAND = resolve('dist/bridge/cli/bus1-dbus-daemon');

test('what a bus sets for itself, services do not get', () => {
  const own = { HOME: '/root', MALLOC_ARENA_MAX: '1', BUS1_OWN_VARIABLES: 'MALLOC_ARENA_MAX' };
  expect(callerEnvironment(own)).toEqual({ HOME: '/root' });
  expect(callerEnvironment({ MALLOC_ARENA_MAX: '4' })).toEqual({ MALLOC_ARENA_MAX: '4' });
});

test.each([300_000, 750_000, 850_000, 900_000, 1_000_000, 1_500_000, 1_700_000, 3_000_000])(
  'a limit of %i KiB',
  async (limitKib) => {
    const folder = folderOfTest();
    const config = writeConfig(folder, openConfig(`<listen>unix:path=${folder}/bus</listen>`));
    const words = ['-c', `ulimit -v ${limitKib}; exec "$0" "$@"`, COMMAND];
    const child = spawn('sh', [...words, `--config-file=${config}`, '--nofork', '--print-address']);
    const errors: string[] = [];
    createInterface({ input: child.stderr }).on('line', (line) => errors.push(line));
    let address = '';
    createInterface({ input: child.stdout }).on('line', (line) => {
      address = line;
      child.kill();
    });
    const [code] = await once(child, 'close');
    const isBus = address.startsWith('unix:path=');
    const isOneLine =
      code === 1 && /^bus1-dbus-daemon: .*address space.*ulimit -v[^\n]*$/.test(errors.join('\n'));
    const isServed = isBus || (limitKib < SERVED_MIN_KIB && isOneLine);
    expect({ isServed, code, errors }).toMatchObject({ isServed: true });
  },
);
