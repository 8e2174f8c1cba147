export { ErrorName } from '#bridge/wire/standard-errors.js';

/** A refusal that goes back to the caller as a D-Bus error. */
export class DriverError extends Error {
  readonly errorName: string;

  constructor(errorName: string, text: string) {
    super(text);
    this.name = 'DriverError';
    this.errorName = errorName;
  }
}
