// The tests that xdg-dbus-proxy installs, run with `bus1-bridge sandbox` in its place.
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openFolder } from '../support/bus-command.js';
import { describeWith, needs, run } from '../support/bus.js';
import { PROXIES } from './front.js';

const TEST_PROXY = '/usr/libexec/installed-tests/xdg-dbus-proxy/test-proxy';

describeWith([needs(TEST_PROXY, 'xdg-dbus-proxy-tests')], "xdg-dbus-proxy's own tests", () => {
  test('pass', async () => {
    const command = join(openFolder('installed-'), 'proxy');
    const words = PROXIES['bus1-bridge sandbox'].map((word) => `'${word}'`).join(' ');
    writeFileSync(command, `#!/bin/sh\nexec ${words} "$@"\n`);
    chmodSync(command, 0o755);
    const env = { ...process.env, DBUS_PROXY: command };
    const { code, stdout } = await run(TEST_PROXY, ['--tap'], { env });
    expect(stdout.match(/^(?:not )?ok .*/gmu)).toEqual(['ok 1 /basics', 'ok 2 /reply']);
    expect(code).toBe(0);
  });
});
