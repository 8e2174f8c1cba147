/** A mistake on the command line, with the command whose help explains it. The exit status is 2. */
export class UsageError extends Error {
  readonly code = 'usage';

  /** @param command whose help says more; the program's by default */
  constructor(message: string, command?: string) {
    super(`${message}; see ${command === undefined ? '' : `${command} `}--help`);
    this.name = 'UsageError';
  }
}
