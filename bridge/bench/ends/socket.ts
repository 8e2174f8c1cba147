import {
  acceptConnection,
  closeFd,
  connectUnix,
  errnoName,
  listenUnix,
  NativeMemory,
  recvBytes,
  sendBytes,
  setNonBlocking,
  waitReadable,
} from '#core/linux/index.js';
import type { Measured, Row } from '#bridge/bench/figures.js';
import type { Caller } from '#bridge/bench/programs.js';
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

/** Sends back whatever arrives, until the other side ends. */
export function serveSocket(path: string, ready: () => void): void {
  const listener = listenUnix(path);
  ready();
  waitReadable(listener, -1);
  const fd = acceptConnection(listener);
  closeFd(listener);
  setNonBlocking(fd, false);
  const { address } = NativeMemory.map(MEMORY_BYTES);
  for (;;) {
    const count = recvBytes(fd, address, MEMORY_BYTES);
    if (count <= 0) return;
    sendWhole(fd, address, count);
  }
}

/** Blocks until all of it is sent. */
function sendWhole(fd: number, address: number, lengthBytes: number): void {
  for (let sent = 0; sent < lengthBytes;) {
    const count = sendBytes(fd, address + sent, lengthBytes - sent);
    if (count < 0) throw new Error(`cannot send: ${errnoName(-count)}`);
    sent += count;
  }
}

/** Blocks until `lengthBytes` bytes have arrived, or the other side has ended; returns how many have. */
function receiveWhole(fd: number, address: number, lengthBytes: number): number {
  let received = 0;
  while (received < lengthBytes) {
    const count = recvBytes(fd, address + received, lengthBytes - received);
    if (count < 0) throw new Error(`cannot receive: ${errnoName(-count)}`);
    if (count === 0) break;
    received += count;
  }
  return received;
}
