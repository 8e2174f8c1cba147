// The commands of every package are links to the launcher: without it, NODE_OPTIONS or a limit of address space ends
// Node before the first line of ours.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../support/bus-command.js';

test.each(['deb.mjs', 'rpm/bus1-bridge.spec', 'arch/PKGBUILD'])('packaging/%s', (file) => {
  const text = readFileSync(join(ROOT, 'packaging', file), 'utf8');
  const [, target] = /\.\.\/lib\/\S*?(\/dist\/bridge\/cli\/[^'"`\s]+)/.exec(text) ?? [];
  expect(target).toMatch(/^\/dist\/bridge\/cli\/\$\{?program\}?$/);
});
