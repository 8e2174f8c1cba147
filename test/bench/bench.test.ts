import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import type { BusId } from '#bridge/bench/buses.js';
import { FIGURES } from '#bridge/bench/figures.js';
import type { FigureId } from '#bridge/bench/figures.js';
import { medianOf, reportText, tableText, targetOutcomes } from '#bridge/bench/report.js';
import type { BenchResult, BusResult } from '#bridge/bench/runner.js';
import { median, percentile } from '#bridge/bench/statistics.js';

const run = promisify(execFile);
const main = fileURLToPath(import.meta.resolve('#bridge/bench/main.js'));
const directory = mkdtempSync(join(tmpdir(), 'bus1-bench-test-'));

afterAll(() => rmSync(directory, { recursive: true }));

function resultOf(figures: [BusId, Partial<Record<FigureId, number[]>>][]): BenchResult {
  const buses = figures.map(([id, values]): [BusId, BusResult] => [
    id,
    { figures: values, failures: [] },
  ]);
  return new Map(buses);
}

function positiveFigures(medians: Record<FigureId, number | null>): FigureId[] {
  return FIGURES.map(({ id }) => id).filter((id) => (medians[id] ?? 0) > 0);
}

describe('the runner', () => {
  const quick = ['--quick', '--rounds', '1', '--duration-ms', '10'];

  it('has a positive figure for every row of dbus-daemon', async () => {
    const json = join(directory, 'all.json');
    const { stdout } = await run(process.execPath, [
      main,
      ...quick,
      '--bus=dbus-daemon',
      '--json',
      json,
    ]);
    const { medians } = JSON.parse(readFileSync(json, 'utf8'));
    expect(positiveFigures(medians['dbus-daemon'])).toEqual(FIGURES.map(({ id }) => id));
    for (const { title } of FIGURES) expect(stdout).toContain(title);
  });

  it('has one for every row but the signals of the raw socket', async () => {
    const json = join(directory, 'raw.json');
    await run(process.execPath, [main, ...quick, '--bus=raw', '--json', json]);
    const { medians } = JSON.parse(readFileSync(json, 'utf8'));
    const expected = FIGURES.map(({ id }) => id).filter((id) => !id.startsWith('signal'));
    expect(positiveFigures(medians.raw)).toEqual(expected);
  });

  it('adds a configuration file, and says what a bus has against it', async () => {
    const config = join(directory, 'a&b.conf');
    writeFileSync(config, '<busconfig><limit name="no_such_limit">1</limit></busconfig>');
    const failed: unknown = await run(process.execPath, [
      main,
      ...quick,
      '--bus=dbus-daemon',
      `--config=${config}`,
    ]).catch((error: unknown) => error);
    expect(failed).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/not measured: dbus-daemon: start: .*no_such_limit/s),
    });
  });

  it('refuses what it does not know', async () => {
    await expect(run(process.execPath, [main, '--bus=kdbus'])).rejects.toMatchObject({
      stderr: expect.stringContaining(
        "'kdbus' is none of ours, ours-system-d, dbus-broker, dbus-daemon, raw.",
      ),
    });
  });

  function leftovers(): string[] {
    return readdirSync(tmpdir()).filter((name) => /^bus1-bench-[^t]/.test(name));
  }

  it('leaves nothing behind', async () => {
    const before = leftovers();
    await run(process.execPath, [main, ...quick, '--bus=dbus-daemon', '--rows=signal-10']);
    expect(leftovers().filter((name) => !before.includes(name))).toEqual([]);
  });

  it('leaves nothing behind when it is interrupted', async () => {
    const before = leftovers();
    const child = spawn(process.execPath, [main, '--bus=dbus-daemon', '--duration-ms=60000']);
    const isRunning = (): boolean => leftovers().some((name) => !before.includes(name));
    while (!isRunning()) await new Promise(setImmediate);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([128 + 15, null]);
    expect(isRunning()).toBe(false);
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

  it('compares with dbus-broker', () => {
    expect(tableText(result).split('\n')).toEqual([
      '                               bus1-bridge  dbus-broker',
      'round trip, 32 bytes, p50  20.0 us (1.00x)      20.0 us',
      'calls, 64 outstanding        305/s (3.05x)        100/s',
      'one-way calls                150/s (1.50x)        100/s',
    ]);
  });

  it('says of each target whether it is met', () => {
    expect(targetOutcomes(result).map(({ figure, met }) => [figure, met])).toEqual([
      ['round-trip-32-p50', true],
      ['outstanding-64', true],
      ['one-way', false],
      ['round-trip-64k-p50', undefined],
    ]);
    expect(reportText(result)).toContain(
      'target one-way, at least 2 times as many: missed (1.50x)\n' +
        'target round-trip-64k-p50, no slower: not measured\n',
    );
  });

  it('has no targets where we were not measured', () => {
    expect(targetOutcomes(resultOf([['dbus-broker', { 'one-way': [1] }]]))).toEqual([]);
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
