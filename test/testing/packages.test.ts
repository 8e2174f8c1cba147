// Test suites of published packages on a test bus, in place of the system bus and the hardware that they want.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../support/bus-command.js';
import { run } from '../support/process.js';

const SETUP = join(import.meta.dirname, 'node-ble');

interface Results {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
}

describe.each([
  ['node-ble', 38, 15],
  ['@naugehyde/node-ble', 38, 15],
])('%s', (name, unitTests, endToEndTests) => {
  /* jest passes over what is in node_modules, so the package is copied */
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(ROOT, 'build/node-ble-'));
    cpSync(join(ROOT, 'node_modules', name), join(folder, 'package'), { recursive: true });
    const config = {
      rootDir: join(folder, 'package'),
      transform: { '\\.js$': join(SETUP, 'transform.cjs') },
      globalSetup: join(SETUP, 'setup.mjs'),
      globalTeardown: join(SETUP, 'teardown.mjs'),
      cacheDirectory: join(folder, 'cache'),
    };
    writeFileSync(join(folder, 'jest.config.json'), JSON.stringify(config));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each([
    ['its tests', 'test/', unitTests],
    ['its end-to-end tests', 'test-e2e/', endToEndTests],
  ])('%s', async (_what, pattern, count) => {
    const words = ['-c', join(folder, 'jest.config.json'), '--json', '--runInBand', pattern];
    const { DBUS_SYSTEM_BUS_ADDRESS: _system, ...env } = process.env;
    const jest = join(ROOT, 'node_modules/jest/bin/jest.js');
    const { stdout, stderr } = await run(process.execPath, [jest, ...words], { env });
    const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(stdout) as Results;
    if (numFailedTests > 0) throw new Error(stderr);
    expect([numPassedTests, numPendingTests]).toEqual([count, 0]);
  });
});
