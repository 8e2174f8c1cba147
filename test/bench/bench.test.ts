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
import { ROWS, type FigureId, type Row } from '#bridge/bench/figures.js';
import { advantageOf } from '#bridge/bench/comparison.js';
import type { Machine } from '#bridge/bench/machine.js';
import { reportHtml } from '#bridge/bench/report-html.js';
import { advantageText, reportMarkdown, reportText, tableCells } from '#bridge/bench/report.js';
import type { Run } from '#bridge/bench/report.js';
import { medianOf } from '#bridge/bench/result.js';
import type { BenchOptions } from '#bridge/bench/runner.js';
import type { ContenderResult, TableResult } from '#bridge/bench/result.js';
import { bootstrap, median, percentile } from '#bridge/bench/statistics.js';
import { TABLE_IDS, TABLES } from '#bridge/bench/tables.js';
import type { TableId } from '#bridge/bench/tables.js';
import { wakeUpsPerSecond } from '#bridge/bench/wake-ups.js';

const run = promisify(execFile);
const main = fileURLToPath(import.meta.resolve('#bridge/bench/main.js'));
const directory = mkdtempSync(join(tmpdir(), 'bus1-bench-test-'));

afterAll(() => rmSync(directory, { recursive: true }));

interface TableReport {
  readonly lines: readonly { readonly row: Row; readonly contender: ContenderId }[];
  readonly contenders: Record<string, ContenderResult>;
}

function resultOf(figures: [ContenderId, Partial<Record<FigureId, number[]>>][]): TableResult {
  const contenders = figures.map(([id, values]): [ContenderId, ContenderResult] => [
    id,
    { figures: values, failures: [], interruptions: [] },
  ]);
  return new Map(contenders);
}

/** The rows of a table that a contender can do. */
function rowsOf(table: TableId, contender: ContenderId): Row[] {
  const { rows }: Contender = CONTENDERS[contender];
  return ROWS.filter((row) => TABLES[table].rows.includes(row) && rows.includes(row));
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
      const { lines, contenders } = await tableReport(id, quick);
      for (const contender of TABLES[id].columns) {
        if (contenders[contender].absent !== undefined) continue;
        const measured = lines.filter((line) => line.contender === contender);
        const { failures } = contenders[contender];
        expect([contender, failures, measured.map(({ row }) => row)]).toEqual([
          contender,
          [],
          rowsOf(id, contender),
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
    expect(stdout).toMatch(/\nBuses[^\n]*\n\nrow .*\none-way calls +dbus-daemon .*\nsignals, 1 /);
    expect(stdout).not.toContain('round trip');
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
        "'kdbus' is not one of ours, ours-system-d, ours-50-grants, dbus-broker, dbus-daemon, raw, ",
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
      const words = [main, ...quick, '--columns=dbus-daemon', '--rows=signal-16'];
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

const MACHINE: Machine = {
  date: '2026-01-02T03:04:05.000Z',
  versions: { 'bus1-bridge': '1.2.3', 'dbus-broker': 'dbus-broker 33' },
  kernel: '6.1.0',
  arch: 'x64',
  cpu: 'Some <fast> CPU',
  cores: 4,
  memoryBytes: 2 ** 33,
  governor: 'performance',
  virtualisation: 'kvm',
  mitigations: ['meltdown: Mitigation: PTI'],
  loadBefore: 0.1,
};

const OPTIONS: BenchOptions = {
  tables: ['buses'],
  contenders: ['ours', 'dbus-broker'],
  rows: ['round-trip-32'],
  rounds: 3,
  durationMs: 250,
  heapCalls: 0,
};

const runOf = (table: TableResult, machine: Partial<Machine> = {}): Run => ({
  machine: { ...MACHINE, ...machine },
  loadAfter: 2.5,
  options: OPTIONS,
  result: new Map([['buses', table]]),
});

describe('the report', () => {
  const result = resultOf([
    [
      'ours',
      {
        'round-trip-32-p50': [20, 19, 21],
        'round-trip-32-p99': [30, 31, 32],
        'round-trip-32-cpu': [5, 5, 5],
        'outstanding-64': [300, 310, 320],
        'one-way': [90, 150, 100],
      },
    ],
    [
      'dbus-broker',
      {
        'round-trip-32-p50': [40, 41, 42],
        'outstanding-64': [100, 100, 100],
        'one-way': [100, 100, 110],
      },
    ],
  ]);

  it('takes the median of the rounds', () => {
    expect(medianOf(result, 'ours', 'round-trip-32-p50')).toBe(20);
    expect(medianOf(result, 'ours', 'outstanding-64')).toBe(310);
    expect(medianOf(result, 'raw', 'one-way')).toBeUndefined();
  });

  it('has a line for each contender in each row, compared with the reference', () => {
    const cells = tableCells('buses', result).map((line) => line.map((cell) => cell.trim()));
    expect(cells.map(([row, bus, value]) => [row, bus, value])).toEqual([
      ['row', 'bus', 'median'],
      ['round trip, 32 bytes', 'bus1-bridge', '20 us'],
      ['', 'dbus-broker', '41 us'],
      ['calls, 64 outstanding', 'bus1-bridge', '310/s'],
      ['', 'dbus-broker', '100/s'],
      ['one-way calls', 'bus1-bridge', '100/s'],
      ['', 'dbus-broker', '100/s'],
    ]);
    expect(cells[1].join(' | ')).toBe(
      'round trip, 32 bytes | bus1-bridge | 20 us | 19 - 21 | 2.05 (2.00 - 2.16) | 31 us |  |  | 5 us',
    );
  });

  it('says where there is no difference', () => {
    expect(advantageText({ value: 1.1, low: 0.9, high: 1.3 })).toBe(
      '1.10 (0.90 - 1.30) no difference',
    );
    expect(advantageText({ value: 1.1, low: 1.01, high: 1.3 })).toBe('1.10 (1.01 - 1.30)');
  });

  it('turns the ratio round where less is better', () => {
    expect(advantageOf(result, 'ours', 'dbus-broker', 'round-trip-32')?.value).toBeCloseTo(2.05);
    expect(advantageOf(result, 'ours', 'dbus-broker', 'outstanding-64')?.value).toBeCloseTo(3.1);
  });

  it('begins with what is needed to repeat it', () => {
    const text = reportText(runOf(result));
    for (const fact of ['2026-01-02', 'dbus-broker 33', '6.1.0', '4 cores', 'kvm', 'PTI', '2.50']) {
      expect(text).toContain(fact);
    }
    expect(text).not.toContain('warning');
  });

  it('warns of a machine that was busy with something else', () => {
    expect(reportText(runOf(result, { loadBefore: 3 }))).toContain(
      'warning: the machine was busy with something else: load 3.00 before the run',
    );
  });

  it('says what is not installed', () => {
    const absent: ContenderResult = {
      figures: {},
      failures: [],
      interruptions: [],
      absent: 'cc is not installed',
    };
    const text = reportText(runOf(new Map([...result, ['socket-c', absent]])));
    expect(text).toContain('\nleft out: socket-c: cc is not installed\n');
  });

  it('says which bus was started again, and why', () => {
    const again: ContenderResult = {
      figures: {},
      failures: [],
      interruptions: ['round-trip-32: the connection was closed'],
    };
    const text = reportText(runOf(new Map([...result, ['dbus-broker', again]])));
    expect(text).toContain(
      '\nstarted again: dbus-broker: round-trip-32: the connection was closed\n',
    );
  });

  it('can be Markdown', () => {
    expect(reportMarkdown(runOf(result))).toContain(
      '| round trip, 32 bytes | bus1-bridge | 20 us | 19 - 21 | 2.05 (2.00 - 2.16) | 31 us |  |  | 5 us |',
    );
  });

  it('can be one HTML file that asks nobody for anything', () => {
    const html = reportHtml(runOf(result));
    expect(html).toContain('Some &lt;fast&gt; CPU');
    expect(html).not.toMatch(/(?:src|href)\s*=\s*["']?(?:https?:)?\/\//);
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

  it('an interval holds the statistic, is the same each time, and is a point for rounds that agree', () => {
    const values = [10, 12, 11, 13, 9, 30, 11];
    const of = (drawn: readonly number[]): number => median(drawn.map((round) => values[round]));
    const interval = bootstrap(values.length, of);
    expect(interval.low).toBeLessThanOrEqual(11);
    expect(interval.high).toBeGreaterThanOrEqual(11);
    expect(bootstrap(values.length, of)).toEqual(interval);
    expect(bootstrap(3, () => 7)).toEqual({ low: 7, high: 7 });
  });
});
