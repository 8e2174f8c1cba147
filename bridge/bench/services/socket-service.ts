import {
  acceptConnection,
  closeFd,
  listenUnix,
  NativeMemory,
  recvBytes,
  setNonBlocking,
  waitReadable,
} from '#core/linux/index.js';
import { sendWhole } from '#bridge/bench/socket-bytes.js';

const MEMORY_BYTES = 1 << 20;

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
