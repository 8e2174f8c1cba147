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

const share = Math.ceil(CONVERSATIONS / CONFIGURATIONS.size);

/** Holds the conversations that follow from `seed`; returns those that differ, as scripts for people. */
async function holdMany(lane: Lane, seed: number, tally: Tally): Promise<string[]> {
  const failures: string[] = [];
  for (let i = 0; i < share && failures.length < FAILURES_MAX; i++) {
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
  const cases = [...CONFIGURATIONS].map(([name, config]) => {
    return { name, config, seed: seeds.below(2 ** 32) };
  });

  it.concurrent.each(cases)(
    `everybody sees the same in ${share} conversations, configuration $name`,
    async ({ name, config, seed }) => {
      const tally = new Tally(name);
      const lane = await Lane.open(config);
      try {
        const failures = await holdMany(lane, seed, tally);
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
