// Each mapping that comes with the bridge has a test here that calls through it.
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../../support/bus-command.js';

/** What the names of files in a folder have before this ending. */
const namesIn = (folder: string, ending: string): string[] =>
  readdirSync(folder)
    .filter((file) => file.endsWith(ending))
    .map((file) => basename(file, ending))
    .toSorted();

test.each(namesIn(join(ROOT, 'mappings'), '.yaml'))('%s', (name) => {
  expect(namesIn(import.meta.dirname, '.test.ts')).toContain(name);
});
