import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..', '..');

/** The version in package.json, and the commit that was built if that is known: `0.1.0 (18f628412345)`. */
export function versionText(): string {
  const { version }: { version: string } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  );
  const commit = commitText();
  return commit === '' ? version : `${version} (${commit})`;
}

/** What a program prints for --version; a daemon words it as dbus-daemon does. */
export function versionLine(program: string): string {
  const version = versionText();
  return program === 'bus1-bridge'
    ? `${version}\n`
    : `${program} ${version}, a D-Bus message bus\n`;
}

/** `npm run build` writes it where the sources are a git checkout. */
function commitText(): string {
  try {
    return readFileSync(join(ROOT, 'dist', 'commit.txt'), 'utf8').trim();
  } catch {
    return '';
  }
}
