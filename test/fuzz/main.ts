// npm run fuzz -- [--target NAME]... [--minutes N | --seconds N | --inputs N] [--seed S] [--hosts 1|2] [--replay FILE]
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { campaign, judge, keep } from './campaign.js';
import type { Session } from './target.js';
import { TARGETS } from './targets/index.js';

const USAGE = `usage: npm run fuzz -- [options]
  --target NAME   one of ${Object.keys(TARGETS).join(', ')}; may be repeated; by default all
  --minutes N     for each target, by default 1; also --seconds N
  --inputs N      instead: ends when each target has tried so many
  --seed N        repeats a run; random by default
  --hosts N       of the bus; by default each target is run with 1, then with 2
  --keep FOLDER   where a find is written to, by default the current folder
  --replay FILE   performs a find that was kept, on a bus of its own
`;

const { values } = parseArgs({
  options: {
    target: { type: 'string', multiple: true },
    minutes: { type: 'string' },
    seconds: { type: 'string' },
    inputs: { type: 'string' },
    seed: { type: 'string' },
    hosts: { type: 'string' },
    keep: { type: 'string' },
    replay: { type: 'string' },
    help: { type: 'boolean' },
  },
});

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function replay(path: string): Promise<number> {
  const session = JSON.parse(readFileSync(path, 'utf8')) as Session;
  const verdict = await judge(session, Number(values.hosts ?? 1));
  say(verdict ?? 'nothing happens');
  return verdict === undefined ? 0 : 1;
}

async function fuzz(): Promise<number> {
  const seed = Number(values.seed ?? randomInt(2 ** 32));
  const allMs =
    values.seconds === undefined
      ? Number(values.minutes ?? 1) * 60_000
      : Number(values.seconds) * 1000;
  let finds = 0;
  for (const target of values.target ?? Object.keys(TARGETS)) {
    const counts = !TARGETS[target].needsBus
      ? [1]
      : values.hosts === undefined
        ? [1, 2]
        : [Number(values.hosts)];
    for (const hosts of counts) {
      const title = TARGETS[target].needsBus
        ? `${target}, ${hosts} host${hosts === 1 ? '' : 's'}`
        : target;
      say(`${title}: --target ${target} --seed ${seed} --hosts ${hosts}`);
      const inputs =
        values.inputs === undefined ? undefined : Number(values.inputs) / counts.length;
      const outcome = await campaign({
        target,
        seed,
        hosts,
        inputs,
        ms: allMs / counts.length,
        tell: (text) => say(`  ${text}`),
      });
      const memory = Object.entries(outcome.residentMib).map(([name, mib]) => `${name} ${mib} MiB`);
      const { sessions, answered } = outcome;
      say(
        [
          `  ${sessions} sessions, ${outcome.inputs} inputs, ${answered} calls of bystanders answered`,
          ...memory,
        ].join(', '),
      );
      for (const [index, find] of outcome.finds.entries()) {
        finds++;
        const path = keep(
          values.keep ?? process.cwd(),
          `${target}-${seed}-${hosts}-${index}`,
          find,
        );
        say(`  FOUND: ${find.what}\n  repeat: npm run fuzz -- --hosts ${hosts} --replay ${path}`);
      }
    }
  }
  say(finds === 0 ? 'nothing found' : `${finds} found`);
  return finds === 0 ? 0 : 1;
}

if (values.help === true || (values.target ?? []).some((name) => TARGETS[name] === undefined)) {
  process.stdout.write(USAGE);
  process.exit(values.help === true ? 0 : 2);
}
process.exit(values.replay === undefined ? await fuzz() : await replay(values.replay));
