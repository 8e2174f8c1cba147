import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';

/** A descriptor of this process: it may be a pipe, whose writer the caller has chosen. */
const OWN_DESCRIPTOR = /^\/(?:dev\/stdin|(?:dev|proc\/self)\/fd\/\d+)$/;

/**
 * The contents of a file that another user may have put there. Anything but a regular file is an
 * error, never a wait: a FIFO has no writer, /dev/zero no end. So is a file of more than `maxBytes`.
 * The errors are like those of node:fs, with a `code`.
 */
export function readRegularFile(path: string, maxBytes: number): Uint8Array {
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;
  const mayBePipe = OWN_DESCRIPTOR.test(path);
  const fd = openSync(path, mayBePipe ? O_RDONLY : O_RDONLY | O_NONBLOCK | O_NOCTTY);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile() && !(mayBePipe && stats.isFIFO())) {
      throw fileError(
        stats.isDirectory() ? 'EISDIR' : 'ENOTREG',
        `it is ${kindOf(stats)}, not a file`,
      );
    }
    return readAll(fd, maxBytes);
  } finally {
    closeSync(fd);
  }
}

/** To the end, rather than as much as fstat says: files in /proc are larger than their size, and others grow. */
function readAll(fd: number, maxBytes: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const chunk = new Uint8Array(CHUNK_BYTES);
    const count = readSync(fd, chunk);
    if (count === 0) return Buffer.concat(chunks);
    length += count;
    if (length > maxBytes) throw fileError('EFBIG', `it has more than ${maxBytes} bytes`);
    chunks.push(chunk.subarray(0, count));
  }
}

const CHUNK_BYTES = 64 * 1024;

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a FIFO';
  if (stats.isSocket()) return 'a socket';
  return 'a device';
}

function fileError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
