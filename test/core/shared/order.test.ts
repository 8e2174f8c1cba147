import { afterAll, expect, test } from 'vitest';
import { seededRandom } from '../random.js';
import { MemberProcess } from './member-process.js';
import { ProcessConformanceDomain } from './process-domain.js';

const PEERS = 6;
const MULTICASTS = Number(process.env['CONFORMANCE_SCHEDULES'] ?? 100_000);
const MAXIMA = { objects: 2 ** 24, bytes: 2 ** 32, descriptors: 16 };

interface Report {
  readonly index: number;
  readonly sent: readonly number[];
  readonly received: readonly number[];
  readonly failure: string | null;
}

const processes = [0, 1, 2].map(() => new MemberProcess());

afterAll(async () => {
  for (const process of processes) await process.end();
});

test('causal order, at full speed: random multicasts among peers of three processes', async () => {
  const random = seededRandom('CONFORMANCE_SEED', `${MULTICASTS} multicasts`);
  const domain = await ProcessConformanceDomain.open(processes, MAXIMA, false);
  const peers = [];
  for (let i = 0; i < PEERS; i++) peers.push(await domain.openPeer());
  const nets: { id: number; index: number; handles: number[] }[] = [];
  for (const [index, from] of peers.entries()) {
    const handles: number[] = [];
    for (const to of peers) {
      const { target } = await to.transfer(from, [{ flags: 1, id: -1 }]);
      handles.push(target[0]);
    }
    nets.push({ id: index, index, handles });
  }
  await Promise.all(
    processes.map((process, p) =>
      process.request('chat', {
        peers: nets.filter(({ index }) => index % processes.length === p),
        count: PEERS,
        seed: random.below(2 ** 32),
        budget: Math.ceil(MULTICASTS / processes.length),
      }),
    ),
  );
  await domain.settle();
  const reports: Report[] = [];
  for (const process of processes) reports.push(...(await process.request<Report[]>('chatReport')));
  reports.sort((a, b) => a.index - b.index);
  for (const { index, received, failure } of reports) {
    expect(failure).toBeNull();
    expect(received).toEqual(reports.map(({ sent }) => sent[index]));
  }
  await domain.close();
  await domain.leave();
});
