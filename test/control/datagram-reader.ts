import { onTestFinished } from 'vitest';
import {
  allocateBytes,
  bindDatagram,
  closeFd,
  recvBytes,
  waitReadable,
} from '#core/linux/index.js';

const TIMEOUT_MS = 20_000;

/** A datagram socket; `next` waits for one datagram and returns its text. */
export function datagramReader(path: string): { next: () => string } {
  const fd = bindDatagram(path);
  onTestFinished(() => closeFd(fd));
  const { bytes, address } = allocateBytes(4096);
  return {
    next: () => {
      if (!waitReadable(fd, TIMEOUT_MS)) throw new Error(`nothing was sent to ${path}`);
      const length = recvBytes(fd, address, bytes.length);
      return Buffer.from(bytes.slice(0, length)).toString();
    },
  };
}
