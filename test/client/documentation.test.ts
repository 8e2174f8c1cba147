// Links in README and docs lead somewhere, and the tests that they name are there.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../support/bus-command.js';

const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => `docs/${path}`),
];

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** As GitHub makes the anchor of a heading. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-');

const headings = (path: string): string[] =>
  [...read(path).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchor(heading));

/** Links and the targets of references, without those in code. */
function links(path: string): string[] {
  const text = read(path)
    .replaceAll(/^```[^]*?^```/gm, '')
    .replaceAll(/`[^`\n]*`/g, '');
  const inline = [...text.matchAll(/\]\(([^)\s]+)\)/g)];
  const references = [...text.matchAll(/^\[[^\]]+\]: (\S+)$/gm)];
  return [...inline, ...references].map(([, target]) => target);
}

describe('links', () => {
  test.each(PAGES)('%s', (path) => {
    const dead = links(path).filter((target) => {
      if (/^[a-z]+:/.test(target)) return false;
      const [file, section] = target.split('#');
      const page = file === '' ? path : join(dirname(path), file);
      try {
        if (section !== undefined) return !headings(page).includes(section);
        return !PAGES.includes(page) && !exists(page);
      } catch {
        return true;
      }
    });
    expect(dead).toEqual([]);
  });
});

test('the tests that the comparison names are there', () => {
  const named = [...read('docs/comparison.md').matchAll(/`(test\/[^`]+)`/g)].map(
    ([, path]) => path,
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((path) => !exists(path))).toEqual([]);
});

function exists(path: string): boolean {
  const folder = join(ROOT, dirname(path));
  return readdirSync(folder).includes(path.split('/').at(-1)!);
}
