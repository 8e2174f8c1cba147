// The installed tests of the reference implementation (D-Bus 1.14), run against the bus under test:
// each case in a process of its own, with daemons of its own.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cleanEnvironment, describeWith, needs, startBus } from '../support/bus.js';
import { ROOT, busCommandForEveryUser, openFolder } from '../support/bus-command.js';
import { type RunResult, run } from '../support/process.js';
import { PYTHON, type Software, skipBecause } from '../support/software.js';

const SUITE = '/usr/lib/dbus-1.0/installed-tests/dbus';
const PROGRAMS = [
  'test-dbus-daemon',
  'test-dbus-daemon-eavesdrop',
  'test-monitor',
  'test-header-fields',
  'test-sd-activation',
  'test-uid-permissions',
  'test-containers',
];
const SCRIPTS = ['test-dbus-daemon-fork.sh'];

/**
 * dbus-daemon 1.14 itself passes 76 as root; it skips 15 for containers, 2 that need another limit
 * of descriptors than the usual one, and 1 that must not run as root.
 */
const PASSES_AS_ROOT = 76;
/** The slowest case takes 6 s against dbus-daemon. */
const CASE_TIMEOUT_S = 40;
const CONTAIN = join(ROOT, 'test/interop/python/contain.py');

const SOFTWARE: Software[] = [
  needs(PYTHON, 'python3'),
  { title: SUITE, debianPackage: 'dbus-tests', present: existsSync(SUITE) },
];

type Outcome =
  | { kind: 'pass'; passes: number }
  | { kind: 'skip'; reason: string }
  | { kind: 'fail'; log: string };

/** Reads GTest's TAP: a case has failed unless the program says otherwise and exits with 0. */
function outcomeOf({ code, stdout, stderr }: RunResult): Outcome {
  const results = stdout.split('\n').filter((line) => /^(?:not )?ok \d+/.test(line));
  const skipped = results.find((line) => line.includes('# SKIP'));
  if (skipped !== undefined) return { kind: 'skip', reason: skipped.split('# SKIP')[1].trim() };
  const passed =
    code === 0 && results.length > 0 && !results.some((line) => line.startsWith('not'));
  return passed
    ? { kind: 'pass', passes: results.length }
    : { kind: 'fail', log: `exit status ${code}\n${stdout}${stderr}` };
}

function casesOf(program: string): string[] {
  const { stdout } = spawnSync(join(SUITE, program), ['-l'], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line.startsWith('/'));
}

/**
 * Needs one order of what it writes to two connections without waiting for anything, which hosts do not have
 * (docs/hosts.md, "Limits"): calls that are one too many, and the replies that make room.
 */
const WITH_ONE_HOST = ['/limits/max-replies-per-connection'];

/** A bus as it is by default, and one whose clients are spread over two processes. */
describe.each([1, 2])('hosts: %i', (hosts) => {
  describeWith(SOFTWARE, 'the reference implementation', () => suite(hosts));
});

function suite(hosts: number): void {
  const folder = openFolder('reference-suite-');
  const daemon = join(folder, 'dbus-daemon');
  const command = busCommandForEveryUser(folder).map((word) => `'${word}'`);
  writeFileSync(daemon, `#!/bin/sh\nBUS1_HOSTS=${hosts} exec ${command.join(' ')} "$@"\n`, {
    mode: 0o755,
  });
  const env = {
    ...cleanEnvironment(folder),
    DBUS_TEST_DAEMON: daemon,
    DBUS_TEST_EXEC: SUITE,
    DBUS_TEST_DATA: join(SUITE, 'data'),
    DBUS_TEST_HOMEDIR: folder,
  };
  // A bus that does not start at all would let every case run into its time-out.
  beforeAll(async () => {
    const bus = await startBus();
    await bus.stop();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const without = hosts === 1 ? [] : WITH_ONE_HOST;
  const passesAsRoot = PASSES_AS_ROOT - without.length;
  let passes = 0;
  const runCase = (program: string, args: string[]) => {
    const words = [CONTAIN, String(CASE_TIMEOUT_S), join(SUITE, program), ...args];
    return run(PYTHON, words, { env, timeoutMs: 2 * CASE_TIMEOUT_S * 1000 });
  };

  describe.concurrent.each([...PROGRAMS, ...SCRIPTS])('%s', (program) => {
    const cases = SCRIPTS.includes(program)
      ? ['all']
      : casesOf(program).filter((name) => !without.includes(name));
    test.for(cases)('%s', async (name, context) => {
      const args = name === 'all' ? [] : ['--tap', '-p', name];
      const outcome = outcomeOf(await runCase(program, args));
      if (outcome.kind === 'skip') skipBecause(context, outcome.reason);
      if (outcome.kind === 'pass') passes += outcome.passes;
      expect(outcome.kind === 'pass' ? 'passed' : outcome.log).toBe('passed');
    });
  });

  test.runIf(process.getuid!() === 0)(`${passesAsRoot} cases pass as root`, () => {
    expect(passes).toBeGreaterThanOrEqual(passesAsRoot);
  });
}
