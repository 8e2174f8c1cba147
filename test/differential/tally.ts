import type { TextPair } from './comparison.js';
import type { Outcome } from './conversation.js';

/** What the conversations of one configuration have shown, apart from failures. */
export class Tally {
  readonly #name: string;
  readonly #known = new Map<string, number>();
  readonly #texts = new Map<string, TextPair>();
  #conversations = 0;
  #messages = 0;

  constructor(name: string) {
    this.#name = name;
  }

  add({ known, texts, messages }: Outcome): void {
    this.#conversations++;
    this.#messages += messages;
    for (const title of known) this.#known.set(title, (this.#known.get(title) ?? 0) + 1);
    for (const pair of texts) this.#texts.set(kind(pair), pair);
  }

  /** DIFF_TEXTS=1 adds the error texts that differ: no failures, for they are for people. */
  print(): void {
    const lines = [
      `${this.#name}: ${this.#conversations} conversations, ${this.#messages} messages`,
    ];
    for (const [title, count] of this.#known) lines.push(`  ${count} times: ${title}`);
    lines.push(`  error texts that differ: ${this.#texts.size} kinds`);
    if (process.env['DIFF_TEXTS'] === '1') {
      for (const { errorName, reference, ours } of this.#texts.values()) {
        lines.push(`  ${errorName}`, `    dbus-daemon: ${reference}`, `    ours:        ${ours}`);
      }
    }
    process.stdout.write(`${lines.join('\n')}\n`);
  }
}

/** Texts that differ in what they quote and in their details are of one kind. */
function kind({ errorName, reference, ours }: TextPair): string {
  const gist = (text: string): string =>
    text
      .replaceAll(/(["'“]).*?["'”]/gu, '')
      .replaceAll(/:1\.[0-9]+|#?[0-9]+/gu, '')
      .split(/[;:(]/u)[0];
  return [errorName, gist(reference), gist(ours)].join('\n');
}
