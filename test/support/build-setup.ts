import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from './bus-command.js';

const SOURCES = ['bus1-core', 'bridge', 'policy', 'mappings', 'package.json', 'tsconfig.json'];
/** Written by every build, and last. */
const BUILT = 'dist/bridge/cli/bus1-dbus-daemon.js';

/** Compiles first if something has changed, so that a run of any test file tests the sources that are on disk. */
export default function setup(): void {
  const newestMs = Math.max(...SOURCES.map((path) => changedMs(join(ROOT, path))));
  const builtMs = statSync(join(ROOT, BUILT), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (builtMs > newestMs) return;
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: 'inherit' });
}

/** When a file, or the last of a folder, was changed; a removed file changes its folder. */
function changedMs(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  const below = readdirSync(path).map((name) => changedMs(join(path, name)));
  return Math.max(stat.mtimeMs, ...below);
}
