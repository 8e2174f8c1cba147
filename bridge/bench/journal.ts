import { rmSync, statSync } from 'node:fs';
import {
  bindDatagram,
  closeFd,
  hasDatagramReceiver,
  NativeMemory,
  recvBytes,
} from '#core/linux/index.js';
import { makeDirectories } from '#bridge/control/make-directory.js';

const JOURNAL_DIRECTORY = '/run/systemd/journal';
const DRAIN_INTERVAL_MS = 20;
const DATAGRAM_MAX_BYTES = 256 << 10;

/**
 * Stands in for systemd-journald where it does not run: reads log messages and discards them. Takes over
 * from another stand-in that ends, also from one that was killed and left its socket file behind.
 */
export class Journal {
  readonly #memory = NativeMemory.map(DATAGRAM_MAX_BYTES);
  readonly #timer = setInterval(() => this.#attend(), DRAIN_INTERVAL_MS);
  readonly #close = (): void => this.close();
  readonly #directory: string;
  readonly #socket: string;
  #fd = -1;
  #inode: number | undefined;
  /** the first directory that had to be made */
  #made: string | undefined;

  constructor(directory = JOURNAL_DIRECTORY) {
    this.#directory = directory;
    this.#socket = `${directory}/socket`;
    process.once('exit', this.#close);
    try {
      this.#attend();
    } catch (cause) {
      this.close();
      throw new Error(
        `dbus-broker-launch needs ${this.#socket}, where nobody listens and which cannot be created; ` +
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
    /* another stand-in may have come at the same moment, and have replaced it */
    if (this.#inode === inodeOf(this.#socket)) rmSync(this.#socket, { force: true });
    if (this.#made !== undefined) rmSync(this.#made, { recursive: true });
  }

  #attend(): void {
    if (this.#fd < 0 && !hasDatagramReceiver(this.#socket)) {
      rmSync(this.#socket, { force: true });
      this.#made = makeDirectories(this.#directory);
      this.#fd = bindDatagram(this.#socket);
      this.#inode = inodeOf(this.#socket);
    }
    while (this.#fd >= 0 && recvBytes(this.#fd, this.#memory.address, DATAGRAM_MAX_BYTES) > 0);
  }
}

const inodeOf = (path: string): number | undefined =>
  statSync(path, { throwIfNoEntry: false })?.ino;

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
