export type StartupErrorCode =
  | 'bad-address'
  | 'bad-configuration'
  | 'bad-descriptor'
  | 'cannot-change-user'
  | 'cannot-listen'
  | 'forbidden-configuration'
  | 'missing-configuration'
  | 'no-address'
  | 'no-address-space'
  | 'no-event-loop'
  | 'no-mechanism'
  | 'pid-file'
  | 'thread-failed';

/** Why the bus cannot start: one line that says what, why, and what to do about it. */
export class StartupError extends Error {
  readonly code: StartupErrorCode;

  constructor(code: StartupErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'StartupError';
    this.code = code;
  }
}

/** The text of anything that was thrown. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The errno name of an error of a system call, such as 'ENOENT'. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
