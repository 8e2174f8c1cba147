import { ClientError, DBusError } from './errors.js';

/** The stack of a call that was sent: capturing it costs microseconds, so it is there only with `callSites`. */
export interface CallSite {
  readonly stack?: string;
}

/** Frames of this library that are above those of the caller. */
const OWN_FRAMES = 8;

/** Where this library was called from. */
export function callSite(): CallSite {
  const site: CallSite = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = limit + OWN_FRAMES;
  Error.captureStackTrace(site, callSite);
  Error.stackTraceLimit = limit;
  return site;
}

/** Gives an error the stack of its call: its own is that of the loop, which has taken the reply. */
export function tellCallSite(error: unknown, { stack }: CallSite): void {
  if (!isOurs(error) || stack === undefined) return;
  const frames = stack.slice(stack.indexOf('\n') + 1);
  error.stack = `${error.name}: ${error.message}\n${frames}`;
}

/**
 * Returns a promise with which to resolve that of a failed call: it is rejected with `error`, whose stack then shows
 * the functions that await the call. V8 finds these when a stack is captured in a job that their promises wait for, so
 * a call that succeeds pays nothing (https://v8.dev/blog/fast-async, "Improved developer experience").
 */
export async function failure(error: unknown): Promise<never> {
  if (isOurs(error)) {
    /* by the second job after this, the promise that is resolved with ours waits for it */
    await Promise.resolve();
    await Promise.resolve();
    Error.captureStackTrace(error, failure);
  }
  throw error;
}

function isOurs(error: unknown): error is DBusError | ClientError {
  return error instanceof DBusError || error instanceof ClientError;
}
