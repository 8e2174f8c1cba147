import type { SerializedError } from 'vitest';
import type { Reporter, TestModule } from 'vitest/node';

/**
 * Ends the output with one plain line that any program can read: "N passed, N failed, N skipped".
 * A file that could not be loaded and an unhandled error count as failures, as they do for the
 * exit status.
 */
export default class PlainSummary implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      count.failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        // A test that never ran, because its suite's set-up failed, is pending: it has failed.
        count[state === 'pending' ? 'failed' : state] += 1;
      }
      for (const suite of module.children.allSuites()) count.failed += suite.errors().length;
    }
    const line = `${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`;
    // Other reporters print their summaries at the same event: this line has to be the last.
    process.once('exit', () => process.stdout.write(line));
  }
}
