import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { forgetProgramPages } from '#core/linux/index.js';
import { unchangedMappings } from '#core/linux/program-pages.js';

const PROGRAM = '/usr/bin/node';

/** A mapping in the form of /proc/PID/smaps, with the lines that matter here. */
const mapping = (range: string, flags: string, path: string, anonymousKib: number): string =>
  `${range} ${flags} 00772000 fe:00 260689      ${path}\n` +
  `Rss:                 100 kB\nAnonymous:      ${String(anonymousKib).padStart(8)} kB\n`;

describe('mappings of a program that a process has not changed', () => {
  it.each<[string, string, string, string, number, boolean]>([
    ['code', '00b72000-00b74000', 'r-xp', PROGRAM, 0, true],
    ['constants', '00b72000-00b74000', 'r--p', PROGRAM, 0, true],
    ['relocated addresses', '00b72000-00b74000', 'r--p', PROGRAM, 4, false],
    ['variables', '00b72000-00b74000', 'rw-p', PROGRAM, 0, false],
    ['a shared mapping', '00b72000-00b74000', 'r--s', PROGRAM, 0, false],
    ['a library', '00b72000-00b74000', 'r-xp', '/usr/lib/libm.so.6', 0, false],
    ['a program that was replaced', '00b72000-00b74000', 'r-xp', `${PROGRAM} (deleted)`, 0, false],
    ['memory without a file', '00b72000-00b74000', 'r--p', '', 0, false],
  ])('%s', (_, range, flags, path, anonymousKib, isUnchanged) => {
    const smaps =
      mapping('00400000-00401000', 'rw-p', '[heap]', 4) + mapping(range, flags, path, anonymousKib);
    const expected = isUnchanged ? [{ address: 0xb72000, lengthBytes: 0x2000 }] : [];
    expect(unchangedMappings(smaps, PROGRAM)).toEqual(expected);
  });
});

describe('the pages of the running program', () => {
  const residentKib = (): number =>
    Number(/^RssFile:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]);

  it('are no longer in memory when they were forgotten, but for those that are needed', () => {
    const before = residentKib();
    forgetProgramPages();
    expect(before - residentKib()).toBeGreaterThan(8 << 10);
  });
});
