import { ClientError, DBusError } from './errors.js';

/** The stack of a call that was sent: the engine formats it only if it is read. */
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
  if (!(error instanceof DBusError || error instanceof ClientError) || stack === undefined) return;
  const frames = stack.slice(stack.indexOf('\n') + 1);
  error.stack = `${error.name}: ${error.message}\n${frames}`;
}
