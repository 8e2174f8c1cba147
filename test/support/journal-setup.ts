import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import { ROOT } from './bus-command.js';
import { PYTHON } from './software.js';

/**
 * Keeps one stand-in for systemd-journald, without which dbus-broker does not start, for the whole run where there is
 * none: test files that come and go at the same time would take it away from each other.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const journal = spawn(PYTHON, [join(ROOT, 'test/uplink/python/journal.py')], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = new Promise<void>((resolve) => {
    journal.once('exit', () => resolve());
    journal.once('error', () => resolve());
  });
  await Promise.race([once(journal.stdout, 'data'), ended]);
  return async () => {
    journal.stdin.end();
    await ended;
  };
}
