import { afterAll } from 'vitest';
import type { Maxima } from '#core/index.js';
import { MemberProcess } from '../shared/member-process.js';
import { ProcessConformanceDomain } from '../shared/process-domain.js';
import { runConformance } from './runner.js';

const processes = [0, 1, 2].map(() => new MemberProcess());
let last: ProcessConformanceDomain | undefined;

afterAll(async () => {
  await last?.leave();
  for (const process of processes) await process.end();
});

/** One order of transactions that nothing connects needs somebody who decides it: docs/shared-domain.md, "Order". */
const NOT_PROMISED = ['X14'];

async function open(maxima: Maxima): Promise<ProcessConformanceDomain> {
  await last?.leave();
  last = undefined;
  last = await ProcessConformanceDomain.open(processes, maxima, maxima.objects < 2 ** 20);
  return last;
}

runConformance('shared', open, NOT_PROMISED);
