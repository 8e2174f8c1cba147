import { mkdirSync, mkdtempSync, rmSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ServiceCatalog } from '#bridge/activation/service-catalog.js';
import { ServiceTable } from '#bridge/activation/service-table.js';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'service-table-'));
  write('a.service', 'org.example.A');
  /* the clock of a file system is coarse: what happens next must not have the same time */
  utimesSync(root, 0, 0);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(file: string, name: string, exec = '/bin/true'): void {
  writeFileSync(join(root, file), `[D-BUS Service]\nName=${name}\nExec=${exec}\n`);
}

/** As another thread has it: a copy of the data. */
function tableNow(): ServiceTable {
  const paths = [root, join(root, 'absent')];
  const catalog = new ServiceCatalog(
    paths.map((path) => ({ path, strictNaming: false, watched: false, transient: false })),
  );
  catalog.load();
  return new ServiceTable(structuredClone(catalog.table.data));
}

test('a table knows what the directories provided', () => {
  const table = tableNow();
  expect(table.names).toEqual(['org.example.A']);
  expect(table.get('org.example.A')).toMatchObject({ exec: '/bin/true' });
  expect(table.has('org.example.B')).toBe(false);
});

test("it is current about a name while that name's file is the same", () => {
  const table = tableNow();
  expect(table.isCurrent('org.example.A')).toBe(true);
  write('a.service', 'org.example.A', '/bin/a-longer-path');
  expect(table.isCurrent('org.example.A')).toBe(false);
  unlinkSync(join(root, 'a.service'));
  expect(table.isCurrent('org.example.A')).toBe(false);
});

test.each([
  ['a file comes', () => write('b.service', 'org.example.B')],
  ['a directory comes', () => mkdirSync(join(root, 'absent'))],
])('it is current about an unknown name until %s', (_title, change) => {
  const table = tableNow();
  expect(table.isCurrent('org.example.B')).toBe(true);
  change();
  expect(table.isCurrent('org.example.B')).toBe(false);
});

test('two tables differ if a service does, not if only time has passed', () => {
  const before = tableNow();
  write('a.service', 'org.example.A');
  expect(before.hasSameServices(tableNow())).toBe(true);
  write('a.service', 'org.example.A', '/bin/other');
  expect(before.hasSameServices(tableNow())).toBe(false);
});
