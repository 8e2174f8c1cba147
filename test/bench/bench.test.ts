import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { CONTENDERS } from '#bridge/bench/contenders.js';
import type { Contender, ContenderId } from '#bridge/bench/contenders.js';
import { FIGURES } from '#bridge/bench/figures.js';
import type { FigureId } from '#bridge/bench/figures.js';
import { reportText, tableText, targetOutcomes } from '#bridge/bench/report.js';
import { medianOf } from '#bridge/bench/result.js';
import type { ContenderResult, TableResult } from '#bridge/bench/result.js';
import { median, percentile } from '#bridge/bench/statistics.js';
import { TABLE_IDS, TABLES } from '#bridge/bench/tables.js';
import type { TableId } from '#bridge/bench/tables.js';
import { isMet, target, targetText } from '#bridge/bench/target.js';
import { wakeUpsPerSecond } from '#bridge/bench/wake-ups.js';

const run = promisify(execFile);
const main = fileURLToPath(import.meta.resolve('#bridge/bench/main.js'));
const directory = mkdtempSync(join(tmpdir(), 'bus1-bench-test-'));

afterAll(() => rmSync(directory, { recursive: true }));

type Medians = Record<FigureId, number | null>;

interface TableReport {
  readonly medians: Record<string, Medians>;
  readonly rounds: Record<string, ContenderResult>;
}

function resultOf(figures: [ContenderId, Partial<Record<FigureId, number[]>>][]): TableResult {
  const contenders = figures.map(([id, values]): [ContenderId, ContenderResult] => [
    id,
    { figures: values, failures: [] },
  ]);
  return new Map(contenders);
}

function figuresIn(medians: Medians): FigureId[] {
  return FIGURES.map(({ id }) => id).filter((id) => medians[id] !== null && medians[id] >= 0);
}

/** The figures that the rows of a table have which a contender can do. */
function figuresOf(table: TableId, contender: ContenderId): FigureId[] {
  const { rows }: Contender = CONTENDERS[contender];
  const measured = TABLES[table].rows.filter((row) => rows.includes(row));
  return FIGURES.map(({ id }) => id).filter((id) =>
    measured.some((row) => id === row || id.startsWith(`${row}-p`)),
  );
}

async function tableReport(table: TableId, args: readonly string[]): Promise<TableReport> {
  const json = join(directory, `${table}.json`);
  const words = [main, `--tables=${table}`, '--json', json, ...args];
  await run(process.execPath, words).catch(() => undefined); // the report says why
  return JSON.parse(readFileSync(json, 'utf8')).tables[table];
}

describe('the runner', () => {
  const quick = ['--quick', '--rounds', '1', '--duration-ms', '10'];

  it.each(TABLE_IDS)(
    'has a figure for every row and column of %s that is installed',
    async (id) => {
      const { medians, rounds } = await tableReport(id, quick);
      for (const contender of TABLES[id].columns) {
        if (rounds[contender].absent !== undefined) continue;
        expect([contender, figuresIn(medians[contender])]).toEqual([
          contender,
          figuresOf(id, contender),
        ]);
      }
    },
  );

  it('measures the rows and columns that are asked for', async () => {
    const { stdout } = await run(process.execPath, [
      main,
      ...quick,
      '--tables=buses,idle',
      '--columns=dbus-daemon',
      '--rows=signal-1,one-way',
    ]);
    expect(stdout).toMatch(/^Buses[^\n]*\n\n +dbus-daemon\none-way calls .*\nsignals, 1 .*\n\n\n$/);
  });

  it('adds a configuration file, and says what a bus has against it', async () => {
    const config = join(directory, 'a&b.conf');
    writeFileSync(config, '<busconfig><limit name="no_such_limit">1</limit></busconfig>');
    const failed: unknown = await run(process.execPath, [
      main,
      ...quick,
      '--tables=buses',
      '--columns=dbus-daemon',
      `--config=${config}`,
    ]).catch((error: unknown) => error);
    expect(failed).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/not measured: dbus-daemon: start: .*no_such_limit/s),
    });
  });

  it('refuses what it does not know', async () => {
    await expect(run(process.execPath, [main, '--columns=kdbus'])).rejects.toMatchObject({
      stderr: expect.stringContaining(
        "'kdbus' is none of ours, ours-system-d, dbus-broker, dbus-daemon, raw, ",
      ),
    });
  });

  describe('leaves nothing behind', () => {
    /* a folder of its own: whatever is in it, by whatever name, was made by the program */
    let made: string;
    const filesMade = (): string[] => readdirSync(made);
    const env = (): NodeJS.ProcessEnv => ({ ...process.env, TMPDIR: made });

    beforeEach(() => {
      made = mkdtempSync(join(directory, 'made-'));
    });

    it('at its end', async () => {
      const words = [main, ...quick, '--columns=dbus-daemon', '--rows=signal-10'];
      await run(process.execPath, words, { env: env() });
      expect(filesMade()).toEqual([]);
    });

    it('when it is interrupted', async () => {
      const words = [main, '--columns=dbus-daemon', '--duration-ms=60000'];
      const child = spawn(process.execPath, words, { env: env(), stdio: 'ignore' });
      const exited = once(child, 'exit');
      while (filesMade().length === 0 && child.exitCode === null) await new Promise(setImmediate);
      child.kill('SIGTERM');
      expect(await exited).toEqual([128 + 15, null]);
      expect(filesMade()).toEqual([]);
    });
  });
});

describe('the report', () => {
  const result = resultOf([
    ['ours', { 'round-trip-32-p50': [30, 10, 20], 'outstanding-64': [300, 310], 'one-way': [150] }],
    ['dbus-broker', { 'round-trip-32-p50': [20], 'outstanding-64': [100], 'one-way': [100] }],
  ]);

  it('takes the median of the rounds', () => {
    expect(medianOf(result, 'ours', 'round-trip-32-p50')).toBe(20);
    expect(medianOf(result, 'ours', 'outstanding-64')).toBe(305);
    expect(medianOf(result, 'raw', 'one-way')).toBeUndefined();
  });

  it('compares with the reference', () => {
    expect(tableText('buses', result).split('\n')).toEqual([
      '                               bus1-bridge  dbus-broker',
      'round trip, 32 bytes, p50  20.0 us (1.00x)      20.0 us',
      'calls, 64 outstanding        305/s (3.05x)        100/s',
      'one-way calls                150/s (1.50x)        100/s',
    ]);
  });

  it('says of each target whether it is met', () => {
    expect(targetOutcomes('buses', result).map(({ target, met }) => [target.figure, met])).toEqual([
      ['round-trip-32-p50', true],
      ['outstanding-64', true],
      ['one-way', false],
      ['round-trip-64k-p50', undefined],
    ]);
    expect(reportText(new Map([['buses', result]]))).toContain(
      'target one-way, ours >= 2 x dbus-broker: missed (1.50x)\n' +
        'target round-trip-64k-p50, ours <= 1 x dbus-broker: not measured\n',
    );
  });

  it('has targets that are about the figure itself', () => {
    const busy = resultOf([['two-hosts-native', { idle: [0, 5, 4] }]]);
    expect(targetOutcomes('idle', busy)).toMatchObject([{ value: 4, met: false }]);
    const silent = resultOf([['two-hosts-native', { idle: [0, 0, 4] }]]);
    expect(targetOutcomes('idle', silent)).toMatchObject([{ value: 0, met: true }]);
  });

  it('has no targets where one of the two was not to be measured', () => {
    const alone = resultOf([['dbus-broker', { 'one-way': [1] }]]);
    expect(targetOutcomes('buses', alone)).toEqual([]);
  });

  it('leaves out what is not installed', () => {
    const absent: ContenderResult = { figures: {}, failures: [], absent: 'cc is not installed' };
    const socket: ContenderResult = { figures: { 'round-trip-32-p50': [9] }, failures: [] };
    const text = reportText(
      new Map([
        [
          'native',
          new Map([
            ['socket-c', absent],
            ['socket', socket],
          ]),
        ],
      ]),
    );
    expect(text).not.toContain('socket, C');
    expect(text).toContain('\nleft out: socket-c: cc is not installed\n');
  });
});

describe('targets', () => {
  it.each([
    ['<', 1, [true, false, false]],
    ['<=', 1, [true, true, false]],
    ['>=', 1, [false, true, true]],
    ['>', 1, [false, false, true]],
  ] as const)('%s %d', (relation, factor, expected) => {
    const promise = target('one-way', 'ours', relation, factor, 'dbus-broker');
    expect([0.9, 1, 1.1].map((value) => isMet(promise, value))).toEqual(expected);
  });

  it('are printed as they are', () => {
    expect(targetText(target('round-trip-32-p50', 'native', '<', 1 / 3, 'dbus-broker'))).toBe(
      'round-trip-32-p50, native < 0.333 x dbus-broker',
    );
    expect(targetText(target('idle', 'two-hosts-native', '<=', 0))).toBe(
      'idle, two-hosts-native <= 0',
    );
  });
});

describe('wake-ups', () => {
  it.each([
    ['a program that sleeps', 'read line', false],
    ['the child of a program that sleeps', '(while sleep 0.01; do :; done) & wait', true],
  ])('of %s', async (_what, script, wakesUp) => {
    const child = spawn('sh', ['-c', `echo ready; ${script}`], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    });
    await once(child.stdout, 'data');
    const pid = child.pid ?? Number.NaN;
    try {
      /* that it goes to sleep after its first word may still be counted */
      await expect.poll(async () => (await wakeUpsPerSecond([pid], 200)) > 0).toBe(wakesUp);
    } finally {
      process.kill(-pid);
    }
  });
});

describe('statistics', () => {
  it.each([
    [[3], 3],
    [[3, 1], 2],
    [[9, 1, 5], 5],
    [[], Number.NaN],
  ])('median of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  it.each([
    [0, 1],
    [0.5, 3],
    [0.99, 4],
    [1, 4],
  ])('percentile %d of 1 to 4 is %d', (p, expected) => {
    expect(percentile([1, 2, 3, 4], p)).toBe(expected);
  });
});
