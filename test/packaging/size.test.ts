import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
/** megabytes of 10^6 bytes, with koffi */
const INSTALLED_MAX_BYTES = 12e6;

function bytesOf(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

test('what npm installs has at most 12 MB', () => {
  const words = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const [own] = JSON.parse(execFileSync('npm', words, { cwd: ROOT, encoding: 'utf8' }));
  const koffi = ['koffi', `@koromix/koffi-linux-${process.arch}`].map((name) =>
    bytesOf(join(ROOT, 'node_modules', name)),
  );
  const sum = koffi.reduce((total, bytes) => total + bytes, own.unpackedSize);
  expect(own.unpackedSize).toBeGreaterThan(1e6);
  expect(sum).toBeLessThanOrEqual(INSTALLED_MAX_BYTES);
});
