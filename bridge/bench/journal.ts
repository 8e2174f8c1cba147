import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { bindDatagram, closeFd, NativeMemory, recvBytes } from '#core/linux/index.js';

const JOURNAL_DIRECTORY = '/run/systemd/journal';
const JOURNAL_SOCKET = `${JOURNAL_DIRECTORY}/socket`;
const DRAIN_INTERVAL_MS = 20;
const DATAGRAM_MAX_BYTES = 256 << 10;

/**
 * Stands in for systemd-journald where it does not run: reads log messages and discards them. Takes over
 * from another stand-in that ends.
 */
class Journal {
  readonly #memory = NativeMemory.map(DATAGRAM_MAX_BYTES);
  readonly #timer = setInterval(() => this.#attend(), DRAIN_INTERVAL_MS);
  readonly #close = (): void => this.close();
  #fd = -1;
  /** the first directory that had to be made */
  #made: string | undefined;

  constructor() {
    process.once('exit', this.#close);
    try {
      this.#attend();
    } catch (cause) {
      this.close();
      throw new Error(
        `dbus-broker-launch needs ${JOURNAL_SOCKET}, which does not exist and cannot be created; ` +
          'run as root, or where systemd-journald runs',
        { cause },
      );
    }
  }

  close(): void {
    process.off('exit', this.#close);
    clearInterval(this.#timer);
    this.#memory.unmap();
    if (this.#fd < 0) return;
    closeFd(this.#fd);
    rmSync(JOURNAL_SOCKET, { force: true });
    if (this.#made !== undefined) rmSync(this.#made, { recursive: true });
  }

  #attend(): void {
    if (this.#fd < 0 && !existsSync(JOURNAL_SOCKET)) {
      this.#made = mkdirSync(JOURNAL_DIRECTORY, { recursive: true });
      this.#fd = bindDatagram(JOURNAL_SOCKET);
    }
    while (this.#fd >= 0 && recvBytes(this.#fd, this.#memory.address, DATAGRAM_MAX_BYTES) > 0);
  }
}

let journal: Journal | undefined;
let users = 0;

/** Makes sure that there is a journal, until the function that this returns is called. */
export function holdJournal(): () => void {
  journal ??= new Journal();
  users++;
  return () => {
    if (--users > 0) return;
    journal?.close();
    journal = undefined;
  };
}
