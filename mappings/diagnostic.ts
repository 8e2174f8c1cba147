/** Where something stands in a mapping file; line and column count from 1. */
export interface SourcePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export type DiagnosticCode =
  | 'unreadable-file'
  | 'malformed'
  | 'unknown-key'
  | 'bad-name'
  | 'bad-path'
  | 'bad-place'
  | 'bad-grant'
  | 'unknown-object'
  | 'unknown-member'
  | 'ambiguous-path'
  | 'duplicate-name'
  | 'overlapping-name'
  | 'orphan-interface'
  | 'unused-object'
  | 'never-kept'
  | 'not-introspected'
  | 'wrong-type';

/** Something wrong in a mapping (an error), or probably not meant (advice). */
export interface Diagnostic extends SourcePosition {
  readonly severity: 'error' | 'advice';
  readonly code: DiagnosticCode;
  readonly message: string;
}

export function errorAt(at: SourcePosition, code: DiagnosticCode, message: string): Diagnostic {
  return { ...at, severity: 'error', code, message };
}

export function adviceAt(at: SourcePosition, code: DiagnosticCode, message: string): Diagnostic {
  return { ...at, severity: 'advice', code, message };
}

/** Compares positions, for the order in the file. */
export function byPosition(one: SourcePosition, other: SourcePosition): number {
  return one.line - other.line || one.column - other.column;
}

/** `file:line:column: message [severity, code]`, the form that editors and terminals can jump to. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { file, line, column, message, severity, code } = diagnostic;
  return `${file}:${line}:${column}: ${message} [${severity}, ${code}]`;
}
