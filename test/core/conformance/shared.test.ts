import { afterAll } from 'vitest';
import { MemberProcess } from '../shared/member-process.js';
import { ProcessConformanceDomain } from '../shared/process-domain.js';

// A schedule takes some twenty round trips between processes; ordering at full speed is tested in shared/order.test.ts.
process.env['CONFORMANCE_SCHEDULES'] ??= '500';
const { runConformance } = await import('./runner.js');

const processes = [0, 1, 2].map(() => new MemberProcess());
let last: ProcessConformanceDomain | undefined;

afterAll(async () => {
  await last?.leave();
  for (const process of processes) await process.end();
});

runConformance('shared', async (maxima) => {
  await last?.leave();
  last = undefined;
  last = await ProcessConformanceDomain.open(processes, maxima, maxima.objects < 2 ** 20);
  return last;
});
