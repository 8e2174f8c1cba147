import { defineConfig } from 'vitest/config';

/** Files that take more than 15 s on two quiet cores: suites of others, hostile processes, whole migrations. */
const LONG = [
  'bench/bench.test.ts',
  'client/bus.test.ts',
  'client/conversation.test.ts',
  'client/impostor.test.ts',
  'client/samples.test.ts',
  'client/site.test.ts',
  'control/run.test.ts',
  'core/shared/hostile.test.ts',
  'differential/conversations.test.ts',
  'host/back-pressure.test.ts',
  'hostile/hostile.test.ts',
  'hosts/kill.test.ts',
  'hosts/stop.test.ts',
  'interop/languages.test.ts',
  'interop/reference-suite.test.ts',
  'registry/match-index.test.ts',
  'regress/fuzz.test.ts',
  'testing/packages.test.ts',
  'translation/jukebox.test.ts',
  'uplink/migrate-load.test.ts',
  'uplink/migrate-services.test.ts',
];

/** Folders whose files drive whole buses and programs of others, and take most of the time. */
const BUSES = [
  'activation/*bus*',
  'activation/failed-start*',
  'bench/*',
  'client/*',
  'client/dbus-next/*',
  'generate/{command,random}*',
  'control/{address,command-line,daemon,own-runtime,reload,run}*',
  'core/shared/*',
  'core/conformance/shared*',
  'differential/*',
  'fuzz/*',
  'host/{limits,leaks}*',
  'hostile/*',
  'interop/{crowd,dbus-monitor,death,desktop,languages,system-bus}*',
  'mappings/{command,plan,shipped}*',
  'native/*',
  'packaging/*',
  'policy/{differential,misspellings,odd-files}*',
  'regress/*',
  'translation/*.test.ts',
  'uplink/*',
];

/** What BUS1_TESTS leaves out: `quick` is for while one works, `most` for a second version of Node. */
const LEFT_OUT: Readonly<Record<string, readonly string[]>> = {
  all: [],
  most: LONG,
  quick: [...LONG, ...BUSES],
};

const { BUS1_TESTS: selection = 'all' } = process.env;
const leftOut = LEFT_OUT[selection];
if (leftOut === undefined) throw new Error(`BUS1_TESTS=${selection}: it is all, most or quick`);

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['**/node_modules/**', ...leftOut.map((file) => `test/${file}`)],
    globalSetup: ['build', 'temporary', 'data', 'journal'].map(
      (name) => `./test/support/${name}-setup.ts`,
    ),
    pool: 'forks',
    isolate: selection !== 'quick',
    // They end what hangs, also on a slow machine, and say nothing about speed.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Tests wait for other processes most of the time, so that two files go well together on two cores.
    maxWorkers: Number(process.env['VITEST_MAX_WORKERS'] ?? 2),
    // Concurrent tests start daemons of their own: no more of them than a small machine has cores.
    maxConcurrency: 2,
    reporters: ['default', './test/support/reporter.ts'],
  },
});
