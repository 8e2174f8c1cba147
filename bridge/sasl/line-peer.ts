import { SASL_LINE_MAX_BYTES } from '#bridge/wire/limits.js';
import type { SaslFailure, SaslFailureCode } from './mechanism.js';

const CR = 0x0d;
const LF = 0x0a;
const NOTHING = new Uint8Array(0);
/** Regular lines are shorter. Kept small, since thousands of connections may be authenticating at once. */
const FIRST_LINE_BYTES = 256;

/**
 * One end of an authentication: bytes in, bytes out, no I/O. Cuts the bytes into lines, hands these
 * to the state machine that extends this class and stops where the messages begin.
 */
export abstract class SaslLinePeer {
  /** the beginning of a line whose end has not come yet: most lines come as a whole */
  #line = NOTHING;
  #lineLength = 0;
  #output = '';
  #isDone = false;
  #failure: SaslFailure | undefined;
  #expectsCredentialsByte: boolean;

  /** `expectsCredentialsByte`: a client sends one NUL byte before its first line. */
  constructor(expectsCredentialsByte: boolean) {
    this.#expectsCredentialsByte = expectsCredentialsByte;
  }

  /** True: authenticated; all bytes from here on are messages. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Set when the connection must be closed, after sending what `takeOutput` returns. */
  get failure(): SaslFailure | undefined {
    return this.#failure;
  }

  /**
   * Takes those of the bytes from `start` to `end` that belong to the authentication, and returns their
   * number. The rest is the beginning of the message stream.
   */
  feed(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && !this.#isDone && this.#failure === undefined) {
      if (this.#expectsCredentialsByte) this.#takeCredentialsByte(bytes[at++] ?? -1);
      else at = this.#takeBytes(bytes, at, end);
    }
    return at - start;
  }

  /** Takes the bytes to send to the other end; empty if there are none. */
  takeOutput(): Uint8Array {
    if (this.#output === '') return NOTHING;
    const bytes = Buffer.from(this.#output, 'latin1');
    this.#output = '';
    return bytes;
  }

  /** The state machine: a line without its CR LF in, the answer or nothing out. */
  abstract dispatch(line: string): string | undefined;

  protected send(text: string): void {
    this.#output += text;
  }

  protected finish(): undefined {
    this.#isDone = true;
    return undefined;
  }

  protected fail(code: SaslFailureCode, message: string): undefined {
    this.#failure ??= { code, message };
    return undefined;
  }

  #takeCredentialsByte(byte: number): void {
    this.#expectsCredentialsByte = false;
    if (byte === 0) return;
    this.fail('credentials-byte-missing', `the first byte is ${byte}, not NUL`);
  }

  /** Takes a whole line, if there is one, or one byte of it; returns the position of the next. */
  #takeBytes(bytes: Uint8Array, start: number, end: number): number {
    const lineEnd = this.#lineLength === 0 ? endOfLine(bytes, start, end) : -1;
    if (lineEnd < 0) {
      this.#takeByte(bytes[start] ?? 0);
      return start + 1;
    }
    this.#takeLine(bytes, start, lineEnd - 2);
    return lineEnd;
  }

  #takeByte(byte: number): void {
    if (this.#lineLength === this.#line.length) this.#growLine();
    this.#line[this.#lineLength++] = byte;
    const isEnd = byte === LF && this.#lineLength > 1 && this.#line[this.#lineLength - 2] === CR;
    if (isEnd) {
      const length = this.#lineLength - 2;
      this.#lineLength = 0;
      this.#takeLine(this.#line, 0, length);
    } else if (this.#lineLength === SASL_LINE_MAX_BYTES) {
      this.fail('line-too-long', `a line exceeds ${SASL_LINE_MAX_BYTES} bytes`);
    }
  }

  #growLine(): void {
    const doubled = Math.max(this.#line.length * 2, FIRST_LINE_BYTES);
    const line = new Uint8Array(Math.min(doubled, SASL_LINE_MAX_BYTES));
    line.set(this.#line);
    this.#line = line;
  }

  #takeLine(bytes: Uint8Array, start: number, end: number): void {
    const answer = isText(bytes, start, end)
      ? this.dispatch(
          Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1'),
        )
      : 'ERROR "Command contained non-ASCII"';
    if (answer !== undefined) this.send(`${answer}\r\n`);
  }
}

/** The position after the first CR LF, if the line with it is not too long; -1: it has to be looked at byte by byte. */
function endOfLine(bytes: Uint8Array, start: number, end: number): number {
  const limit = Math.min(end, start + SASL_LINE_MAX_BYTES);
  for (let i = start + 1; i < limit; i++) {
    if (bytes[i] === LF && bytes[i - 1] === CR) return i + 1;
  }
  return -1;
}

/** Whether all characters are ASCII, and none is NUL. */
function isText(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0;
    if (byte === 0 || byte > 0x7f) return false;
  }
  return true;
}
