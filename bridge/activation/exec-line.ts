/** The words of a command line, or the reason why it cannot be split into words. */
export type ExecLine =
  | { readonly argv: readonly string[]; readonly fault?: never }
  | { readonly argv?: never; readonly fault: string };

/** Characters that a backslash escapes inside double quotes (POSIX shell, "Double-Quotes"). */
const ESCAPABLE_IN_DOUBLE_QUOTES = '"\\`$\n';

/**
 * Splits the Exec value of a service file into arguments, in the way of a shell that expands
 * nothing.
 *
 * Quotes, backslashes and comments work as in dbus-daemon, its oddities included: "#" starts a
 * comment even within a word and swallows the end of the line with it, the end of the text always
 * ends a word, so a trailing blank makes an empty last argument, and an empty line makes an empty
 * argument.
 */
export function parseExecLine(text: string): ExecLine {
  const reader = new ExecLineReader(text);
  return reader.read() ? { argv: reader.argv } : { fault: 'Unclosed quotes in command line' };
}

class ExecLineReader {
  readonly argv: string[] = [];
  readonly #text: string;
  #position = 0;
  #word = '';
  /** Whether the word has begun; `""` begins one without giving it any text. */
  #begun = false;

  constructor(text: string) {
    this.#text = text;
  }

  /** Returns false when a quote, an escape or a comment is cut off by the end of the text. */
  read(): boolean {
    while (this.#position < this.#text.length) {
      if (!this.#readUnquoted(this.#next())) return false;
    }
    this.#endWord();
    return true;
  }

  #next(): string {
    return this.#text.charAt(this.#position++);
  }

  #readUnquoted(character: string): boolean {
    switch (character) {
      case '\n':
        this.#endWord();
        return true;
      case ' ':
      case '\t':
        if (this.#begun) this.#endWord();
        return true;
      case '\\':
        return this.#readEscaped();
      case '#':
        return this.#skipComment();
      case "'":
        return this.#readSingleQuoted();
      case '"':
        return this.#readDoubleQuoted();
      default:
        this.#append(character);
        return true;
    }
  }

  #readEscaped(): boolean {
    if (this.#position === this.#text.length) return false;
    const character = this.#next();
    if (character !== '\n') this.#append(character);
    return true;
  }

  #skipComment(): boolean {
    if (this.#position === this.#text.length) return false;
    const end = this.#text.indexOf('\n', this.#position);
    this.#position = end === -1 ? this.#text.length : end + 1;
    return true;
  }

  #readSingleQuoted(): boolean {
    const end = this.#text.indexOf("'", this.#position);
    if (end === -1) return false;
    this.#append(this.#text.slice(this.#position, end));
    this.#position = end + 1;
    return true;
  }

  #readDoubleQuoted(): boolean {
    this.#begun = true;
    while (this.#position < this.#text.length) {
      const character = this.#next();
      if (character === '"') return true;
      const next = this.#text[this.#position] ?? '';
      const escapes =
        character === '\\' && next !== '' && ESCAPABLE_IN_DOUBLE_QUOTES.includes(next);
      this.#append(escapes ? this.#next() : character);
    }
    return false;
  }

  #append(text: string): void {
    this.#word += text;
    this.#begun = true;
  }

  #endWord(): void {
    this.argv.push(this.#word);
    this.#word = '';
    this.#begun = false;
  }
}
