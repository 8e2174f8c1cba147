import { errnoName, recvBytes, sendBytes } from '#core/linux/index.js';

/** Blocks until all of it is sent. */
export function sendWhole(fd: number, address: number, lengthBytes: number): void {
  for (let sent = 0; sent < lengthBytes;) {
    const count = sendBytes(fd, address + sent, lengthBytes - sent);
    if (count < 0) throw new Error(`cannot send: ${errnoName(-count)}`);
    sent += count;
  }
}

/** Blocks until `lengthBytes` bytes have arrived, or the other side has ended; returns how many have. */
export function receiveWhole(fd: number, address: number, lengthBytes: number): number {
  let received = 0;
  while (received < lengthBytes) {
    const count = recvBytes(fd, address + received, lengthBytes - received);
    if (count < 0) throw new Error(`cannot receive: ${errnoName(-count)}`);
    if (count === 0) break;
    received += count;
  }
  return received;
}
