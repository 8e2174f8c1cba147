import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { bindDatagram, closeFd, listenUnix, NativeMemory, recvBytes } from '#core/linux/index.js';
import type { RunningBus } from './buses.js';
import { Child } from './child.js';

// dbus-broker-launch(1) takes its listening socket as sd_listen_fds(3) says, and logs to the
// journal alone: without anybody at that socket it does not start.
const JOURNAL_DIRECTORY = '/run/systemd/journal';
const JOURNAL_SOCKET = `${JOURNAL_DIRECTORY}/socket`;
const DRAIN_INTERVAL_MS = 50;
const DATAGRAM_MAX_BYTES = 256 << 10;

/**
 * Starts dbus-broker on a session configuration, with or without systemd. Throws when it cannot be.
 */
export function startDbusBroker(path: string, configFile: string): RunningBus {
  const closeJournal = existsSync(JOURNAL_SOCKET) ? undefined : openJournal();
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
    closeJournal?.();
  };
  return { transport: 'bus', path, close };
}

/** Stands in for the journal: reads and forgets. Returns how to put everything back. */
function openJournal(): () => void {
  const [made, fd] = bindJournal();
  const memory = NativeMemory.map(DATAGRAM_MAX_BYTES);
  const timer = setInterval(() => {
    while (recvBytes(fd, memory.address, DATAGRAM_MAX_BYTES) > 0);
  }, DRAIN_INTERVAL_MS);
  const close = (): void => {
    process.off('exit', close);
    clearInterval(timer);
    closeFd(fd);
    memory.unmap();
    rmSync(JOURNAL_SOCKET, { force: true });
    if (made !== undefined) rmSync(made, { recursive: true });
  };
  process.once('exit', close);
  return close;
}

/** The first directory that had to be made, and the socket. */
function bindJournal(): [string | undefined, number] {
  try {
    const made = mkdirSync(JOURNAL_DIRECTORY, { recursive: true });
    return [made, bindDatagram(JOURNAL_SOCKET)];
  } catch (cause) {
    throw new Error(
      `dbus-broker-launch needs ${JOURNAL_SOCKET}, which is not there and cannot be made; ` +
        'run as root, or where systemd-journald runs',
      { cause },
    );
  }
}
