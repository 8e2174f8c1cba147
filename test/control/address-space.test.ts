// Under a limit of address space (ulimit -v), a bus serves, or says in one line that the limit is too
// low: what V8 says of itself is for those who develop it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { folderOfTest, openConfig, writeConfig } from './daemon.js';

const COMMAND = resolve('dist/bridge/cli/bus1-dbus-daemon');

test.each([300_000, 750_000, 850_000, 900_000, 1_000_000, 1_500_000, 3_000_000])(
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
    expect({ isServed: isBus || isOneLine, code, errors }).toMatchObject({ isServed: true });
  },
);
