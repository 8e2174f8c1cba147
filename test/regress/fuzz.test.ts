// What the fuzzer once found, reduced to the steps that it takes, on a bus of its own each time. A new find is a file
// more in fuzz/ (`npm run fuzz -- --keep test/regress/fuzz`).
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { judge } from '../fuzz/campaign.js';
import type { Session } from '../fuzz/target.js';
import { TARGETS } from '../fuzz/targets/index.js';

const FOLDER = join(import.meta.dirname, 'fuzz');
const files = existsSync(FOLDER) ? readdirSync(FOLDER) : [];
const HOSTS = [1, 2];

const cases = files.flatMap((name) => {
  const find = JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as Session & { what: string };
  return (TARGETS[find.target].needsBus ? HOSTS : [1]).map((hosts) => ({ name, hosts, find }));
});

describe('finds of the fuzzer', () => {
  test.each(cases)('$name, $hosts host(s): nothing happens any more', async ({ find, hosts }) => {
    expect(await judge(find, hosts)).toBeUndefined();
  });

  test.each(Object.keys(TARGETS))('%s: a session is the same each time', async (target) => {
    const { Random } = await import('../core/random.js');
    const [once, again] = [1, 2].map(() => TARGETS[target].generate(new Random(4711)));
    expect(once).toEqual(again);
    expect(JSON.parse(JSON.stringify(once))).toEqual(once);
  });
});
