const LINE_EVERY_MS = 5000;

/** Where a run stands: a line that is overwritten on a terminal, now and then a line of its own in a pipe. */
export class Progress {
  readonly #stream: NodeJS.WriteStream;
  #lastMs = 0;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  /** @param share how much of the run is done, 0 to 1 */
  show(text: string, share: number): void {
    const line = `${String(Math.floor(share * 100)).padStart(3)} %  ${text}`;
    if (this.#stream.isTTY) {
      this.#stream.write(`\r\x1b[K${line.slice(0, this.#stream.columns - 1)}`);
      return;
    }
    const now = performance.now();
    if (this.#lastMs !== 0 && now - this.#lastMs < LINE_EVERY_MS) return;
    this.#lastMs = now;
    this.#stream.write(`${line}\n`);
  }

  clear(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\x1b[K');
  }
}
