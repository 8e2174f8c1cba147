import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Random, seededRandom } from '../core/random.js';
import { ROOT } from '../support/bus-command.js';
import { describeWith, needs } from '../support/bus.js';
import { CONFIGURATIONS } from './configurations.js';
import { Lane, REFERENCE } from './lane.js';
import { KNOWN_DIFFERENCES } from './known-differences.js';
import { randomConversation } from './random-conversation.js';
import { Tally } from './tally.js';

/** How many conversations to hold, over all configurations; DIFF_SEED repeats a run. */
const CONVERSATIONS = Number(process.env['DIFF_CONVERSATIONS'] ?? 2000);
const STEPS = 30;
/** Runs with many conversations are started by hand. */
const TIMEOUT_MS = 3_600_000;
/** A broken bus fails in every conversation: a few scripts tell as much as all. */
const FAILURES_MAX = Number(process.env['DIFF_FAILURES'] ?? 3);

/** Hosts of our bus, and how many conversations are held with so many: `npm run test:model` holds 2,000 and 500. */
const ARRANGEMENTS = [
  [1, CONVERSATIONS],
  [2, Number(process.env['DIFF_TWO_HOSTS'] ?? 100)],
  [3, Number(process.env['DIFF_THREE_HOSTS'] ?? 20)],
] as const;

/** Holds the conversations that follow from `seed`; returns those that differ, as scripts for people. */
async function holdMany(lane: Lane, seed: number, count: number, tally: Tally): Promise<string[]> {
  const failures: string[] = [];
  for (let i = 0; i < count && failures.length < FAILURES_MAX; i++) {
    const operations = randomConversation(new Random(seed + i), STEPS);
    const outcome = await lane.hold(operations);
    tally.add(outcome);
    if (outcome.failure === undefined) continue;
    failures.push(`conversation ${i}:\n${await lane.explain(operations, outcome.failure)}`);
  }
  return failures;
}

describeWith([needs(REFERENCE, 'dbus-daemon')], 'conversations on dbus-daemon and on ours', () => {
  const seeds = seededRandom('DIFF_SEED', 'conversations');
  const cases = ARRANGEMENTS.flatMap(([hosts, conversations]) =>
    [...CONFIGURATIONS].map(([name, config]) => {
      const count = Math.ceil(conversations / CONFIGURATIONS.size);
      return { hosts, name, config, count, seed: seeds.below(2 ** 32) };
    }),
  );

  it.concurrent.each(cases.filter(({ count }) => count > 0))(
    'everybody sees the same in $count conversations with $hosts host(s), configuration $name',
    async ({ hosts, name, config, count, seed }) => {
      const tally = new Tally(`${name}, ${hosts} host(s)`);
      const lane = await Lane.open(config, hosts);
      try {
        const failures = await holdMany(lane, seed, count, tally);
        expect(failures.join('\n\n')).toBe('');
        expect(lane.internalErrors).toEqual([]);
      } finally {
        await lane.close();
        tally.print();
      }
    },
    TIMEOUT_MS,
  );
});

it.each(KNOWN_DIFFERENCES.map(({ title }) => title))(
  'docs/compatibility.md tells of the difference "%s"',
  (title) => {
    const page = readFileSync(join(ROOT, 'docs/compatibility.md'), 'utf8');
    expect(page).toContain(`| ${title} |`);
  },
);
