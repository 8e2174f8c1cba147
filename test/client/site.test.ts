// `npm run docs`: the site is built, its links lead somewhere, and its reference tells of nothing internal.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { ROOT } from '../support/bus-command.js';
import { run } from '../support/process.js';

const OUT = join(ROOT, 'build/docs/out');
let said: string;
let pages: Map<string, string>;

beforeAll(async () => {
  const { code, stdout, stderr } = await run(process.execPath, ['docs/site/build.mjs'], {
    cwd: ROOT,
    timeoutMs: 240_000,
  });
  said = stdout + stderr;
  if (code !== 0) throw new Error(said);
  const files = readdirSync(OUT, { recursive: true, encoding: 'utf8' });
  const html = files.filter((file) => file.endsWith('.html'));
  pages = new Map(html.map((file) => [file, readFileSync(join(OUT, file), 'utf8')]));
}, 300_000);

test('there is a page for each document, and the reference', () => {
  const documents = readdirSync(join(ROOT, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => file.replace('.md', '.html'));
  const others = ['index.html', 'readme.html', 'changelog.html', 'examples.html'];
  const reference = ['bus1-bridge.html', 'bus1-bridge/testing.html', 'bus1-bridge/core.html'];
  const wanted = [...documents, ...others, ...reference.map((name) => `reference/${name}`)];
  expect(wanted.filter((page) => !pages.has(page))).toEqual([]);
});

test('no link is dead, with its section', () => {
  const dead: string[] = [];
  let count = 0;
  for (const [file, text] of pages) {
    for (const [, link] of text.matchAll(/<a [^>]*href="([^"]*)"/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      count++;
      const [path, section] = link.split('#');
      const absolute = path.startsWith('/') ? path.slice(1) : join(dirname(file), path);
      const target = path === '' ? file : absolute.replace(/(?:^|\/)$/, '$&index.html');
      const page = pages.get(target);
      const name = decodeURIComponent(section ?? '');
      if (page === undefined || (name !== '' && !page.includes(`id="${name}"`))) {
        dead.push(`${file}: ${link}`);
      }
    }
  }
  expect(dead).toEqual([]);
  expect(count).toBeGreaterThan(1000);
});

test('what programs import tells of no internals', () => {
  const told = said
    .split('\n')
    .filter((line) => /referenced by bus1-bridge(?:\/testing)?\.[A-Z]/i.test(line))
    .filter((line) => !/defined in \S*\/rxjs\//.test(line));
  expect(told).toEqual([]);
});
