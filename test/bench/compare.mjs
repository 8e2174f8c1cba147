// usage: npm run bench:compare -- DIR_A DIR_B [--rounds N] [--tables LIST] [--columns LIST] [--rows LIST]
//                                 [--duration-ms N]
//
// Two built checkouts of this project on the same machine: their own bench, in turns, A B, B A, A B, … Prints how
// much slower B is, as the median over the rounds of the quotient of two neighbours in time, and by the best of each,
// which a busy machine spoils least.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const USAGE =
  'usage: npm run bench:compare -- DIR_A DIR_B [--rounds N] [--tables LIST] [--columns LIST] ' +
  '[--rows LIST] [--duration-ms N]';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '7' },
    tables: { type: 'string' },
    columns: { type: 'string', default: 'ours,native,native-loop,native-service,two-hosts' },
    rows: { type: 'string', default: 'round-trip-32,outstanding-64' },
    'duration-ms': { type: 'string', default: '250' },
  },
});
if (positionals.length !== 2) {
  process.stderr.write(`${USAGE}\n`);
  process.exit(2);
}
const checkouts = positionals.map((path) => resolve(path));
const folder = mkdtempSync(join(tmpdir(), 'bench-compare-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Older checkouts write `medians`, newer ones all rounds of a contender; there is one round here. */
function figuresByColumn({ medians, contenders }) {
  if (medians !== undefined) return medians;
  return Object.fromEntries(
    Object.entries(contenders).map(([column, { figures }]) => [
      column,
      Object.fromEntries(Object.entries(figures).map(([figure, [value]]) => [figure, value])),
    ]),
  );
}

/** The figures of one run of a checkout's own bench: { 'table, column, figure': value }. */
function measure(checkout) {
  const json = join(folder, 'figures.json');
  const { tables, columns, rows, 'duration-ms': durationMs } = values;
  const args = ['--rounds', '1', '--columns', columns, '--rows', rows, '--duration-ms', durationMs];
  if (tables !== undefined) args.push('--tables', tables);
  const program = join(checkout, 'dist/bridge/bench/main.js');
  try {
    execFileSync(process.execPath, [program, ...args, '--json', json], { stdio: 'ignore' });
  } catch {
    // It also ends with a status when a target was missed; the figures are written before.
  }
  const figures = {};
  for (const [table, result] of Object.entries(JSON.parse(readFileSync(json, 'utf8')).tables)) {
    for (const [column, byFigure] of Object.entries(figuresByColumn(result))) {
      for (const [figure, value] of Object.entries(byFigure)) {
        if (typeof value === 'number') figures[`${table}, ${column}, ${figure}`] = value;
      }
    }
  }
  return figures;
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Times are better when they are short, rates when they are high. */
const isTime = (key) => /-p\d+$|-cpu$/.test(key);
const slower = (key, a, b) => (isTime(key) ? b / a : a / b);
const percent = (quotient) => `${((quotient - 1) * 100).toFixed(1)} %`;

const measured = [[], []];
for (let round = 0; round < Number(values.rounds); round++) {
  for (const side of round % 2 === 0 ? [0, 1] : [1, 0])
    measured[side].push(measure(checkouts[side]));
  process.stderr.write(`round ${round + 1} of ${values.rounds}\n`);
}

const keys = Object.keys(measured[0][0]).filter((key) => key in measured[1][0]);
for (const key of keys) {
  const [a, b] = measured.map((rounds) => rounds.map((figures) => figures[key]));
  const best = (list) => (isTime(key) ? Math.min(...list) : Math.max(...list));
  const pairs = a.map((value, round) => slower(key, value, b[round]));
  const lines = [median(a), median(b)].map((value) => value.toFixed(1));
  const figures = `${lines.join(' -> ')}, slower by ${percent(median(pairs))}`;
  process.stdout.write(
    `${key}: ${figures}, by the best of each ${percent(slower(key, best(a), best(b)))}\n`,
  );
}
