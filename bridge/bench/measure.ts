import { writeFileSync } from 'node:fs';

import { killChildren } from './child.js';
import { describeMachine, loadOfMinute } from './machine.js';
import { Progress } from './progress.js';
import { reportHtml } from './report-html.js';
import { reportJson, reportMarkdown, reportText } from './report.js';
import { failuresOf } from './result.js';
import { Runner, type BenchOptions } from './runner.js';

/** Where a report goes, beside standard output. */
export interface ReportFiles {
  readonly json?: string | undefined;
  readonly html?: string | undefined;
  readonly markdown?: string | undefined;
}

/** Measures, reports, and ends with status 1 if something could not be measured. */
export async function measure(options: BenchOptions, files: ReportFiles): Promise<void> {
  const progress = new Progress(process.stderr);
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ] as const) {
    process.once(signal, () => {
      killChildren();
      process.exit(128 + number);
    });
  }
  const machine = describeMachine(new Date());
  const result = await new Runner(options, progress).run();
  progress.clear();
  const run = { machine, loadAfter: loadOfMinute(), options, result };
  if (files.json !== undefined) writeFileSync(files.json, reportJson(run));
  if (files.markdown !== undefined) writeFileSync(files.markdown, reportMarkdown(run));
  if (files.html !== undefined) writeFileSync(files.html, reportHtml(run));
  process.stdout.write(reportText(run));
  if (failuresOf(result).length > 0) process.exitCode = 1;
}
