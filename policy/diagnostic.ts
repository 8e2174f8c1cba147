/** Where something stands in a configuration file; line and column count from 1. */
export interface SourcePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export type DiagnosticCode =
  | 'unreadable-file'
  | 'unreadable-directory'
  | 'malformed'
  | 'unexpected-element'
  | 'unexpected-text'
  | 'missing-text'
  | 'blanks-in-text'
  | 'bad-attribute'
  | 'bad-policy'
  | 'bad-rule'
  | 'bad-role'
  | 'bad-limit'
  | 'odd-number'
  | 'circular-include'
  | 'include-failed'
  | 'no-mediation'
  | 'unknown-user'
  | 'unknown-group';

/**
 * Something wrong in a configuration. An error loses the file that it is in, a warning at most the
 * element.
 */
export interface Diagnostic extends SourcePosition {
  readonly severity: 'error' | 'warning';
  readonly code: DiagnosticCode;
  readonly message: string;
  /** of a file that could not be read: the errno name, such as 'ENOENT' */
  readonly errno?: string;
}

/** `file:line:column: message`, the form that editors and terminals can jump to. */
export function formatDiagnostic(
  diagnostic: SourcePosition & { readonly message: string },
): string {
  const { file, line, column, message } = diagnostic;
  return `${file}:${line}:${column}: ${message}`;
}

/** Thrown inside the readers where a file cannot be read any further; callers of this folder never see it. */
export class ConfigSyntaxError extends Error {
  readonly code = 'CONFIG_SYNTAX';
  readonly diagnostic: Diagnostic;

  constructor(code: DiagnosticCode, at: SourcePosition, message: string) {
    super(message);
    this.name = 'ConfigSyntaxError';
    this.diagnostic = diagnosticAt('error', code, at, message);
  }
}

/** Thrown inside the readers when a whole file is lost; callers of this folder never see it. */
export class UnusableFile extends Error {
  readonly code = 'UNUSABLE_FILE';
  /** Each with severity error, in file order. */
  readonly errors: readonly [Diagnostic, ...Diagnostic[]];

  constructor(errors: readonly [Diagnostic, ...Diagnostic[]]) {
    super(errors.map(formatDiagnostic).join('\n'));
    this.name = 'UnusableFile';
    this.errors = errors;
  }
}

export function diagnosticAt(
  severity: Diagnostic['severity'],
  code: DiagnosticCode,
  { file, line, column }: SourcePosition,
  message: string,
): Diagnostic {
  return { severity, code, file, line, column, message };
}

/** The text of one file, which turns an offset into a line and a column. */
export class SourceText {
  readonly file: string;
  readonly text: string;
  readonly #lineStarts: number[] = [0];

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) {
      this.#lineStarts.push(at + 1);
    }
  }

  positionAt(offset: number): SourcePosition {
    let low = 0;
    let lineStart = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const start = this.#lineStarts[middle] ?? 0;
      if (start <= offset) {
        low = middle;
        lineStart = start;
      } else high = middle - 1;
    }
    return { file: this.file, line: low + 1, column: offset - lineStart + 1 };
  }
}
