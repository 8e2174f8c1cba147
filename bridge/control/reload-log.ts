import type { Logger } from './logger.js';

/** Reloads in a period that are logged: every client may ask for one, as often as it likes. */
const LOGGED_MAX = 20;
const PERIOD_MS = 10_000;

/** What is logged of reloads that clients ask for. The host says who asks, within the budget of its user. */
export class ReloadLog {
  readonly #logger: Logger;
  readonly #silent: Logger;
  #sinceMs = -Infinity;
  #count = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
    this.#silent = logger.child({}, { level: 'silent' });
  }

  /** The logger for one more reload. */
  next(nowMs = performance.now()): Logger {
    if (nowMs - this.#sinceMs >= PERIOD_MS) this.#begin(nowMs);
    return ++this.#count <= LOGGED_MAX ? this.#logger : this.#silent;
  }

  #begin(nowMs: number): void {
    const leftOut = this.#count - LOGGED_MAX;
    if (leftOut > 0)
      this.#logger.info({ leftOut }, 'reloads that clients asked for were not logged');
    this.#sinceMs = nowMs;
    this.#count = 0;
  }
}
