import { check } from './errno.js';
import { getrandom } from './libc.js';

/** getrandom(2): a read of up to this many bytes is never cut short by a signal. */
const WHOLE_BYTES = 256;

/** Random bytes for secrets, from the kernel: Node's own need OpenSSL, which takes longer to load than a bus. */
export function randomBytes(lengthBytes: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  for (let done = 0; done < lengthBytes; done += WHOLE_BYTES) {
    const piece = bytes.subarray(done, done + WHOLE_BYTES);
    check(getrandom(piece, piece.length, 0), 'getrandom');
  }
  return bytes;
}
