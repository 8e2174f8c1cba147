// usage: npm run bench:compare -- DIR_A DIR_B [--turns N] [--tables LIST] [--columns LIST] [--rows LIST]
//                                 [--duration-ms N]
//
// Two built checkouts of this project on the same machine: their own bench, in turns, A B, B A, A B, … Prints how
// much slower B is, as the median over the turns of the quotient of two neighbours in time, with its 95 % interval.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { bootstrap, median } from '#bridge/bench/statistics.js';

const USAGE =
  'usage: npm run bench:compare -- DIR_A DIR_B [--turns N] [--tables LIST] [--columns LIST] ' +
  '[--rows LIST] [--duration-ms N]';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    turns: { type: 'string', default: '7' },
    tables: { type: 'string' },
    columns: { type: 'string', default: 'ours,native,native-loop,native-service,two-hosts' },
    rows: { type: 'string', default: 'round-trip-32,outstanding-64' },
    // A bus collects garbage once, a second after its start: 60 ms of a core, too much for a round of 250 ms beside it.
    'duration-ms': { type: 'string', default: '1500' },
  },
});
if (positionals.length !== 2) {
  process.stderr.write(`${USAGE}\n`);
  process.exit(2);
}
const checkouts = positionals.map((path) => resolve(path));
const folder = mkdtempSync(join(tmpdir(), 'bench-compare-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Every checkout's bench has this many rounds a turn. */
const ROUNDS_A_TURN = 4;
/**
 * The rounds of a turn that count. In the first ones V8 still compiles, on the cores that are measured: a native round
 * trip of 4 us then takes 60 to 90.
 */
const ROUNDS_THAT_COUNT = 2;

/** All rounds of every column: older checkouts write them as `rounds`, newer ones as `contenders`. */
function roundsByColumn({ rounds, contenders }) {
  return Object.entries(rounds ?? contenders).map(([column, { figures }]) => [column, figures]);
}

/** The figures of one run of a checkout's own bench: { 'table, column, figure': value }. */
function measure(checkout) {
  const json = join(folder, 'figures.json');
  // What the other checkout wrote must not be read for this one's when this one writes nothing.
  rmSync(json, { force: true });
  const { tables, columns, rows, 'duration-ms': durationMs } = values;
  const args = ['--rounds', `${ROUNDS_A_TURN}`, '--duration-ms', durationMs];
  args.push('--columns', columns, '--rows', rows);
  if (tables !== undefined) args.push('--tables', tables);
  const program = join(checkout, 'dist/bridge/bench/main.js');
  // An older one also ends with a status when a target was missed, with its figures written before.
  const { stderr } = spawnSync(process.execPath, [program, ...args, '--json', json]);
  if (!existsSync(json)) {
    process.stderr.write(`${program}: wrote no figures:\n${stderr.toString()}`);
    process.exit(1);
  }
  const figures = {};
  for (const [table, result] of Object.entries(JSON.parse(readFileSync(json, 'utf8')).tables)) {
    for (const [column, byFigure] of roundsByColumn(result)) {
      for (const [figure, ofRounds] of Object.entries(byFigure)) {
        const counted = ofRounds.slice(-ROUNDS_THAT_COUNT).filter((value) => value !== null);
        if (counted.length > 0) figures[`${table}, ${column}, ${figure}`] = median(counted);
      }
    }
  }
  return figures;
}

/** Times are better when they are short, rates when they are high. */
const isTime = (key) => /-p[\d.]+$|-cpu$|-worst$/.test(key);
const slower = (key, a, b) => (isTime(key) ? b / a : a / b);
const percent = (quotient) => `${((quotient - 1) * 100).toFixed(1)} %`;

const turns = Number(values.turns);
const measured = [[], []];
for (let turn = 0; turn < turns; turn++) {
  for (const side of turn % 2 === 0 ? [0, 1] : [1, 0]) {
    measured[side].push(measure(checkouts[side]));
  }
  process.stderr.write(`turn ${turn + 1} of ${turns}\n`);
}

const keys = Object.keys(measured[0][0]).filter((key) => key in measured[1][0]);
for (const key of keys) {
  const [a, b] = measured.map((turns) => turns.map((figures) => figures[key]));
  const quotients = a.map((value, turn) => slower(key, value, b[turn]));
  const { low, high } = bootstrap(turns, (drawn) => median(drawn.map((turn) => quotients[turn])));
  const verdict = low > 1 ? 'slower' : high < 1 ? 'faster' : 'no difference';
  process.stdout.write(
    `${key}: ${median(a).toFixed(1)} -> ${median(b).toFixed(1)}, slower by ` +
      `${percent(median(quotients))} (${percent(low)} to ${percent(high)}): ${verdict}\n`,
  );
}
