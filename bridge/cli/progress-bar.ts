const BAR_COLUMNS = 30;

/** A line on a terminal that shows how much has been done; nothing elsewhere. */
export class ProgressBar {
  readonly #stream: NodeJS.WriteStream;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  /** @param fraction of what is to be done, from 0 to 1 */
  show(fraction: number, text: string): void {
    if (!this.#stream.isTTY) return;
    const bar = '#'.repeat(Math.floor(fraction * BAR_COLUMNS)).padEnd(BAR_COLUMNS, '.');
    // A terminal that does not know its width reports 0 columns.
    const line = `[${bar}] ${text}`.slice(0, (this.#stream.columns || Infinity) - 1);
    this.#stream.write(`\r\x1b[K${line}`);
  }

  clear(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\x1b[K');
  }
}
