import { dirname } from 'node:path';
import { closeFd, listenUnix } from '#core/linux/index.js';
import { Child } from './child.js';
import { holdJournal } from './journal.js';
import type { RunningBus } from './running-bus.js';

// dbus-broker-launch(1) takes its listening socket as sd_listen_fds(3) says, and logs to the
// journal alone: without a process at the journal's socket it does not start.

/**
 * Starts dbus-broker on a session configuration, with or without systemd. Throws when it cannot be.
 */
export function startDbusBroker(path: string, configFile: string): RunningBus {
  const releaseJournal = holdJournal();
  const listener = listenUnix(path);
  // LISTEN_PID must be the launcher's own: the shell knows it, and becomes the launcher.
  const launch = 'LISTEN_PID=$$ exec dbus-broker-launch --scope user --config-file "$1"';
  const child = new Child('dbus-broker', 'sh', ['-c', launch, 'sh', configFile], {
    fds: [listener],
    env: {
      ...process.env,
      LISTEN_FDS: '1',
      XDG_RUNTIME_DIR: dirname(path),
      DBUS_SESSION_BUS_ADDRESS: `unix:path=${path}`,
    },
  });
  closeFd(listener);
  const close = async (): Promise<void> => {
    await child.stop();
    releaseJournal();
  };
  return { path, servicePath: path, children: [child], close };
}
