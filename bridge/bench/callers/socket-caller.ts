import { closeFd, connectUnix, NativeMemory, setNonBlocking } from '#core/linux/index.js';
import type { Measured, Row } from '#bridge/bench/figures.js';
import type { Caller } from '#bridge/bench/programs.js';
import { receiveWhole, sendWhole } from '#bridge/bench/socket-bytes.js';
import { measureBlocking } from './blocking-echo.js';

const MEMORY_BYTES = 1 << 20;

/** Bytes over a unix socket, with blocking reads and writes: what a round trip costs at least without shared memory. */
export class SocketCaller implements Caller {
  readonly #fd: number;
  readonly #memory = NativeMemory.map(MEMORY_BYTES);

  constructor(path: string) {
    this.#fd = connectUnix(path);
    setNonBlocking(this.#fd, false);
  }

  measure(row: Row, durationMs: number): Measured {
    const { address } = this.#memory;
    return measureBlocking(row, durationMs, (lengthBytes) => {
      sendWhole(this.#fd, address, lengthBytes);
      return receiveWhole(this.#fd, address, lengthBytes);
    });
  }

  close(): void {
    closeFd(this.#fd);
  }
}
