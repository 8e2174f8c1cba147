import { fstatSync, writeSync } from 'node:fs';
import { waitWritable } from '#core/linux/index.js';
import { errnoOf } from './startup-error.js';

/** A pipe that poll(2) calls writable takes this much at once (pipe(7), PIPE_BUF). */
const CHUNK_BYTES = 4096;

/** The most that is buffered for a slow reader of the log; further lines are counted and left out. */
const WAITING_MAX_BYTES = 256 * 1024;

const RETRY_MS = 100;

/**
 * Writes log lines to standard error. A reader that has stopped neither blocks the bus nor makes it grow. The
 * descriptor is shared with other processes, so it is not made non-blocking but polled before each write.
 */
export class LogStream {
  private readonly fd: number;
  /** makes the line that says how many were left out */
  private readonly lossLine: (count: number) => string;
  private waiting: Buffer[] = [];
  private waitingBytes = 0;
  private lost = 0;
  private timer: NodeJS.Timeout | null = null;

  constructor(fd: number, lossLine: (count: number) => string) {
    this.fd = fd;
    this.lossLine = lossLine;
    process.on('exit', () => this.flush());
  }

  write(line: string): void {
    if (this.waitingBytes > 0) this.flush();
    const bytes = Buffer.from(line);
    if (this.waitingBytes + bytes.length > WAITING_MAX_BYTES) this.lost++;
    else this.append(bytes);
    this.flush();
  }

  private append(bytes: Buffer): void {
    this.waiting.push(bytes);
    this.waitingBytes += bytes.length;
  }

  private flush(): void {
    while (this.waitingBytes > 0 || this.lost > 0) {
      if (this.waitingBytes === 0) {
        this.append(Buffer.from(this.lossLine(this.lost)));
        this.lost = 0;
      }
      if (!this.writeSome()) break;
    }
    if (this.waitingBytes === 0 || this.timer !== null) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.flush();
    }, RETRY_MS).unref();
  }

  /** False: nothing can be written now. */
  private writeSome(): boolean {
    const [first] = this.waiting;
    if (first === undefined) return false;
    const chunk = first.subarray(0, CHUNK_BYTES);
    const count = writeNow(this.fd, chunk);
    if (count === 0) return false;
    this.waitingBytes -= count;
    if (count === first.length) this.waiting.shift();
    else this.waiting[0] = first.subarray(count);
    return true;
  }
}

/** The number of bytes that were taken; bytes whose reader is gone count as taken. */
function writeNow(fd: number, bytes: Buffer): number {
  if (!waitWritable(fd, 0)) return 0;
  try {
    return writeSync(fd, bytes);
  } catch (error) {
    return errnoOf(error) === 'EAGAIN' ? 0 : bytes.length;
  }
}

/** Whether the journal reads this descriptor: systemd.exec(5), $JOURNAL_STREAM. */
export function isJournalStream(fd: number, stream = process.env['JOURNAL_STREAM']): boolean {
  if (stream === undefined || stream === '') return false;
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}
