// The walks of docs/architecture.md lead past functions that exist, each of which fits on a screen; and the files that
// it names for a change are there.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { allFiles, isSource } from '../taste/source-files.js';

const ROOT = join(import.meta.dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8');
/** Lines of a terminal that a reader has open beside the page. */
const SCREEN_LINES = 60;

const sources = allFiles().filter(isSource);

/** Rows of the tables below a heading, as cells. */
function rowsBelow(heading: RegExp): string[][] {
  return PAGE.split(/^## /m)
    .filter((section) => heading.test(section))
    .flatMap((section) => section.split('\n').filter((line) => /^\| (?!step|Change)/.test(line)))
    .map((line) => line.split('|').map((cell) => cell.trim()));
}

/** Lengths in lines of what is called `name`: a function, or a method of the class before the dot. */
function lengthsOf(name: string): number[] {
  const [owner, member] = name.includes('.') ? name.split('.') : [undefined, name];
  return sources
    .filter(({ text }) => owner === undefined || new RegExp(`class ${owner}\\b`).test(text))
    .flatMap(({ lines }) => {
      const start = lines.findIndex((line) => declares(line, member, owner !== undefined));
      if (start < 0) return [];
      const indent = /^ */.exec(lines[start])![0];
      const end = lines.findIndex((line, at) => at > start && line.startsWith(`${indent}}`));
      return [end - start + 1];
    });
}

function declares(line: string, name: string, isMethod: boolean): boolean {
  const method = new RegExp(
    `^  (?:private |protected |override |async |static |abstract )*${name}(?:<[^>]*>)?\\(`,
  );
  const plain = new RegExp(`^(?:export )?function ${name}(?:<[^>]*>)?\\(`);
  return (isMethod ? method : plain).test(line) && !line.endsWith(';');
}

const steps = rowsBelow(/^The way of /).flatMap(([, step, where]) =>
  [...where.matchAll(/`([A-Za-z]+(?:\.[a-z][A-Za-z]*)?)`/g)].map((match) => ({
    step,
    name: match[1],
  })),
);

describe('each step of a walk', () => {
  test('is there', () => expect(steps.length).toBeGreaterThan(35));

  test.each(steps)('$step: $name exists and fits on a screen', ({ name }) => {
    const lengths = lengthsOf(name);
    expect(lengths).not.toEqual([]);
    expect(Math.min(...lengths)).toBeGreaterThan(0);
    expect(Math.min(...lengths)).toBeLessThanOrEqual(SCREEN_LINES);
  });
});

test('the table of folders has every one', () => {
  const table = rowsBelow(/^Folders/).map(([, folder]) => folder);
  const folders = new Set(
    sources
      .map(({ path }) => path.split('/'))
      .map(([top, next]) => (top === 'bridge' ? next : top)),
  );
  const missing = [...folders].filter((name) => !table.some((cell) => cell.includes(`${name}/`)));
  expect(missing).toEqual([]);
});

const changes = rowsBelow(/^Where to change what/).map(([, change, file]) => ({ change, file }));

describe('each change', () => {
  test('is there', () => expect(changes.length).toBeGreaterThanOrEqual(10));

  test.each(changes)('$change: is made in one file, or two', ({ file }) => {
    const paths = [...file.matchAll(/`([^`]+\.ts)`/g)].map((match) => match[1]);
    expect([1, 2]).toContain(paths.length);
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});
