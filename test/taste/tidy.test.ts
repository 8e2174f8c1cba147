// Taste that a program can check. Each finding names the place, the rule, and what to do instead.
import { describe, expect, test } from 'vitest';
import {
  type SourceFile,
  allFiles,
  finding,
  importsOf,
  isSource,
  isTypeScript,
} from './source-files.js';

const LINES_MAX = 500;
const COLUMNS_MAX = 120;

/** Files that nobody imports because they are started as programs. */
/* The last ones are what other programs import (package.json, exports). */
const ENTRY_POINTS = [
  /^bridge\/client\/dbus-next\/(?:register|resolve-hook)\.ts$/,
  /^bridge\/cli\/[\w-]+\.ts$/,
  /^bridge\/bench\/(?:main|check|caller|service|companion|page\/page)\.ts$/,
  /^bus1-core\/shared\/index\.ts$/,
  /^bridge\/testing\/index\.ts$/,
  /^bridge\/client\/(?:dbus-next\/)?index\.ts$/,
];

/** Files in which everything runs for each message. */
const HOT_FILES = [
  /^bridge\/wire\/(?:header|body)\.ts$/,
  /^bridge\/registry\/match-index\.ts$/,
  /^bus1-core\/local-domain\.ts$/,
];

/** In other files this comment, on the line above a function or method, says that it does. */
const HOT_MARK = '// hot';

/** Files that must have such functions. */
const MARKED_FILES = [/^bridge\/host\/(?:shim|outbox|inflow)\.ts$/];

interface Rule {
  pattern: RegExp;
  rule: string;
  instead: string;
}

// The brackets inside some words keep these patterns from finding themselves.
const HOT_RULES: Rule[] = [
  {
    pattern: /\.subarray\(/,
    rule: 'no subarray in a hot function',
    instead: 'pass the array, an offset and a length',
  },
  {
    pattern: /\bBigInt\b|\b\d+n\b|Big(?:Int|Uint)64/,
    rule: 'no BigInt in a hot function',
    instead: 'use two 32-bit words, or numbers below 2 ** 53',
  },
  {
    pattern: /\.toString\(/,
    rule: 'no toString() in a hot function',
    instead: 'compare bytes, or keep a string that was made once',
  },
  {
    pattern: /`/,
    rule: 'no template literal in a hot function',
    instead: 'return a code, and make the text where it is reported',
  },
];

const SOURCE_RULES: Rule[] = [
  {
    pattern: /\bconsole\.\w+\(/,
    rule: 'no console',
    instead: 'use the logger, or process.stdout.write in a command',
  },
  {
    pattern: /\breadUInt32[LB]E\b/,
    rule: 'no Buffer.readUInt32LE: it is 3 to 5 times slower',
    instead: 'use a long-lived DataView with an endian variable',
  },
  {
    pattern: /\bmkdirSync\(.*\brecursive\b/,
    rule: 'no recursive mkdirSync: below /proc it never returns',
    instead: 'use makeDirectories',
  },
];

const TYPESCRIPT_RULES: Rule[] = [
  {
    pattern: /\bas a[n]y\b|: a[n]y\b|<a[n]y>/,
    rule: 'no any',
    instead: 'use unknown and narrow it',
  },
  {
    pattern: /@ts-(?:ignore|expect-error|nocheck)|(?:ox|es)lint-dis[a]ble/,
    rule: 'no comment that silences a checker',
    instead: 'repair what it complains about',
  },
  {
    pattern: /\b(?:describe|test|it)(?:\.\w+)*\.(?:skip|only|todo)\b/,
    rule: 'no test is left out or run alone',
    instead: 'repair it or remove it; for absent software there is describeWith()',
  },
];

const TEXT_RULES: Rule[] = [
  {
    pattern: /\b(?:TO[D]O|FIX[M]E|X[X]X)\b/,
    rule: 'no note to oneself',
    instead: 'do it, or write down why it is as it is',
  },
  { pattern: /[ \t]$/, rule: 'no space at the end of a line', instead: 'remove it' },
];

const files = allFiles();
const sources = files.filter(isSource);

function check(checked: readonly SourceFile[], rules: readonly Rule[]): string[] {
  return checked.flatMap((file) =>
    file.lines.flatMap((line, index) => checkLine(rules, file.path, line, index + 1)),
  );
}

function checkLine(rules: readonly Rule[], path: string, line: string, number: number): string[] {
  return rules
    .filter(({ pattern }) => pattern.test(line))
    .map(({ rule, instead }) => finding(path, number, rule, instead));
}

interface Line {
  number: number;
  code: string;
}

/** The lines of a file that are hot, without their comments. */
function hotLines(file: SourceFile): Line[] {
  const lines = file.lines.map((line, index) => ({
    number: index + 1,
    code: withoutComment(line),
  }));
  if (HOT_FILES.some((pattern) => pattern.test(file.path))) return lines;
  return marksOf(file).flatMap((mark) => lines.slice(mark + 1, endOfFunction(file, mark) + 1));
}

function marksOf(file: SourceFile): number[] {
  return file.lines.flatMap((line, index) => (line.trim() === HOT_MARK ? [index] : []));
}

/** The formatter ends a function with a closing bracket at the indentation that it starts with. */
function endOfFunction(file: SourceFile, mark: number): number {
  const indentation = /^ */.exec(file.lines[mark] ?? '')?.[0] ?? '';
  const end = file.lines.indexOf(`${indentation}}`, mark);
  return end < 0 ? file.lines.length : end;
}

function withoutComment(line: string): string {
  return /^\s*(?:\*|\/\*)/.test(line) ? '' : line.replace(/\s\/\/.*$/, '');
}

describe('tidiness', () => {
  test('there are sources to check, and hot ones among them', () => {
    expect(sources.length).toBeGreaterThan(0);
    for (const pattern of HOT_FILES) {
      expect(sources.some(({ path }) => pattern.test(path))).toBe(true);
    }
    const marked = sources.filter(({ path }) => MARKED_FILES.some((one) => one.test(path)));
    const findings = marked
      .filter((file) => marksOf(file).length === 0)
      .map(({ path }) =>
        finding(path, 1, 'nothing is marked as hot', `write ${HOT_MARK} above it`),
      );
    expect(findings).toEqual([]);
  });

  test('hot functions', () => {
    const findings = sources.flatMap((file) =>
      hotLines(file).flatMap(({ number, code }) => checkLine(HOT_RULES, file.path, code, number)),
    );
    expect(findings).toEqual([]);
  });

  test('sources', () => {
    expect(check(sources, SOURCE_RULES)).toEqual([]);
  });

  test('TypeScript', () => {
    expect(check(files.filter(isTypeScript), TYPESCRIPT_RULES)).toEqual([]);
  });

  test('text', () => {
    expect(check(files, TEXT_RULES)).toEqual([]);
  });

  test(`no line of code has more than ${COLUMNS_MAX} columns`, () => {
    const rule = {
      pattern: new RegExp(`^.{${COLUMNS_MAX + 1}}`),
      rule: `more than ${COLUMNS_MAX} columns`,
      instead: 'break the line',
    };
    const code = files.filter((file) => isTypeScript(file) || file.path.endsWith('.py'));
    expect(check(code, [rule])).toEqual([]);
  });

  test(`no file has more than ${LINES_MAX} lines`, () => {
    const findings = files
      .filter((file) => isTypeScript(file) || file.path.endsWith('.py'))
      .filter((file) => file.lines.length - 1 > LINES_MAX)
      .map(({ path }) => finding(path, LINES_MAX, 'too long', 'one noun a file: split it'));
    expect(findings).toEqual([]);
  });

  test('every source file is imported by another, or is an entry point', () => {
    const imported = new Set(sources.flatMap(importsOf).map((statement) => statement.target));
    const findings = sources
      .filter(({ path }) => !imported.has(path))
      .filter(({ path }) => !ENTRY_POINTS.some((pattern) => pattern.test(path)))
      .map(({ path }) => finding(path, 1, 'nobody imports this file', 'use it or remove it'));
    expect(findings).toEqual([]);
  });
});
