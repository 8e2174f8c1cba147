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
const CONVERSATIONS = Number(process.env['DIFF_CONVERSATIONS'] ?? 500);
const STEPS = 30;
/** A broken bus fails in every conversation: a few scripts tell as much as all. */
const FAILURES_MAX = Number(process.env['DIFF_FAILURES'] ?? 3);

describeWith([needs(REFERENCE, 'dbus-daemon')], 'conversations on dbus-daemon and on ours', () => {
  const seeds = seededRandom('DIFF_SEED', 'conversations');
  const share = Math.ceil(CONVERSATIONS / CONFIGURATIONS.size);

  it.concurrent.each(
    [...CONFIGURATIONS].map(([name, config]) => [name, config, seeds.below(2 ** 32)] as const),
  )(
    `everybody sees the same, configuration %s, ${share} conversations`,
    async (name, config, seed) => {
      const lane = await Lane.open(config);
      const tally = new Tally(name);
      const failures: string[] = [];
      for (let i = 0; i < share && failures.length < FAILURES_MAX; i++) {
        const operations = randomConversation(new Random(seed + i), STEPS);
        const outcome = await lane.hold(operations);
        tally.add(outcome);
        if (outcome.failure !== undefined) {
          failures.push(`conversation ${i}:\n${await lane.explain(operations, outcome.failure)}`);
        }
      }
      await lane.close();
      tally.print();
      expect(lane.internalErrors).toEqual([]);
      expect(failures.join('\n\n')).toBe('');
    },
    3_600_000,
  );
});

it.each(KNOWN_DIFFERENCES.map(({ title }) => title))(
  'docs/compatibility.md tells of the difference "%s"',
  (title) => {
    const page = readFileSync(join(ROOT, 'docs/compatibility.md'), 'utf8');
    expect(page).toContain(`| ${title} |`);
  },
);
