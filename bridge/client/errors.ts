export { ErrorName } from '#bridge/wire/standard-errors.js';

/**
 * An error reply to a call. A handler throws one to answer a call with it: `name` is the name of the D-Bus error, such
 * as `org.example.Error.NotFound`.
 */
export class DBusError extends Error {
  readonly code = 'DBusError';
  /** everything that came with the error; the message is the first of it, if that is a string */
  readonly body: readonly unknown[];

  constructor(
    name: string,
    message: string,
    body: readonly unknown[] = [message],
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = name;
    this.body = body;
  }
}

/** A failure other than an error reply of the other side; `code` is stable. */
export class ClientError extends Error {
  readonly code: ClientErrorCode;

  constructor(code: ClientErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ClientError';
    this.code = code;
  }
}

export type ClientErrorCode =
  /** nothing listens at the address, or it does not admit this process */
  | 'JoinFailed'
  /** the bus or domain was closed in this process */
  | 'BusClosed'
  /** the process of the bridge is gone: no new names, conversations that have begun go on */
  | 'Disconnected'
  /** `timeoutMs` have passed */
  | 'Timeout'
  /** the object behind a capability is gone, or the capability was released */
  | 'CapabilityLost'
  /** the receiver's queue is full: its quota for this sender is used up */
  | 'OverQuota'
  /** the receiver takes no file descriptors */
  | 'NoDescriptors'
  /** the object has no such interface */
  | 'NoInterface'
  /** the bus has no mapping for the service: there are paths and no capabilities to its objects */
  | 'NotMapped'
  /** a synchronous call to this process itself, whose handler has to wait for something else */
  | 'WouldDeadlock'
  /** an iterator over signals was read too slowly */
  | 'SignalsLost';

/** The bus or the domain was closed. */
export class BusClosedError extends ClientError {
  constructor(reason: string) {
    super('BusClosed', `the bus is closed: ${reason}`);
    this.name = 'BusClosedError';
  }
}

/** A deadline has passed. */
export class TimeoutError extends ClientError {
  constructor(what: string, timeoutMs: number) {
    super('Timeout', `${what} was not answered within ${timeoutMs} ms`);
    this.name = 'TimeoutError';
  }
}
