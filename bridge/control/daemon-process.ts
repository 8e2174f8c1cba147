import { once } from 'node:events';
import type { DaemonJob, DaemonReport } from './daemonise.js';
import { createLogger } from './logger.js';
import { setOriginalOpenFilesLimit } from './open-files-limit.js';
import { serve } from './serve.js';
import { textOf } from './startup-error.js';

/** The umask of a daemon that does not keep that of its parent. */
const UMASK = 0o022;

/** The background process of `daemonise`. Resolves with the exit status. */
export async function runDaemon(): Promise<number> {
  const job: DaemonJob = (await once(process, 'message'))[0];
  const { configuration, addresses, writesPidFile, usesSystemd, hasDomain, hosts, lookUs } = job;
  setOriginalOpenFilesLimit(job.openFilesLimit);
  if (!job.keepUmask) process.umask(UMASK);
  if (job.inheritedSockets > 0) {
    process.env['LISTEN_PID'] = String(process.pid);
    process.env['LISTEN_FDS'] = String(job.inheritedSockets);
  }
  const logger = createLogger(job.log);
  try {
    return await serve(
      { configuration, addresses, writesPidFile, usesSystemd, hasDomain, hosts, lookUs, logger },
      {
        listening: ({ address }) => {
          // Addresses and files may be relative to the first working directory; no path is from here on.
          process.chdir('/');
          report({ kind: 'listening', address, pid: process.pid });
        },
      },
    );
  } catch (error) {
    report({ kind: 'failed', message: textOf(error) });
    return 1;
  }
}

function report(text: DaemonReport): void {
  if (process.connected) process.send?.(text, () => process.disconnect());
}
