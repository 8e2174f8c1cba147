import { ClientError, DBusError } from './errors.js';

/** The stack of a call that was sent: noting it costs microseconds, so only who asks for `callSites` has it. */
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

/** An answer comes out of the loop: what an error has to tell is where the call was made. */
export function tellCallSite(error: unknown, { stack }: CallSite): void {
  if (!isOurs(error) || stack === undefined) return;
  const frames = stack.slice(stack.indexOf('\n') + 1);
  error.stack = `${error.name}: ${error.message}\n${frames}`;
}

/**
 * For the promise of a call that has failed to be resolved with: it is rejected with `error`, whose stack tells which
 * functions await the call. V8 finds these when a stack is captured in a job that their promises wait for, so a call
 * that succeeds pays nothing (https://v8.dev/blog/fast-async, "Improved developer experience").
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
