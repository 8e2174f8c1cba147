/** What is wrong with a command line, and where to look. */
export class UsageError extends Error {
  readonly code = 'usage';

  constructor(message: string) {
    super(`${message}; see --help`);
    this.name = 'UsageError';
  }
}
