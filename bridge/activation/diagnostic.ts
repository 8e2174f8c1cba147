/** Something about a file that its author or the administrator should know. */
export interface Diagnostic {
  /**
   * `error`: the file is not used; `warning`: it is used with reservations; `info`: nothing is
   * wrong.
   */
  readonly severity: 'error' | 'warning' | 'info';
  readonly file: string;
  /** Counted from 1; 0 when the file as a whole is meant. */
  readonly line: number;
  readonly message: string;
}

/** The form in which a diagnostic goes into a log: `file:line: message`. */
export function formatDiagnostic({ file, line, message }: Diagnostic): string {
  return line === 0 ? `${file}: ${message}` : `${file}:${line}: ${message}`;
}
