import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['build', 'temporary', 'data', 'journal'].map(
      (name) => `./test/support/${name}-setup.ts`,
    ),
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Concurrent tests start daemons of their own: no more of them than a small machine has cores.
    maxConcurrency: 2,
    reporters: ['default', './test/support/reporter.ts'],
  },
});
