import { execFileSync } from 'node:child_process';

import { ROOT } from './bus-command.js';

/** Compiles first, so that a run of any test file tests the sources that are on disk. */
export default function setup(): void {
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: 'inherit' });
}
