import { ClientError, DBusError } from './errors.js';

/** The stack of a call that was sent: the engine makes a text of it only if somebody looks. */
export interface CallSite {
  readonly stack?: string;
}

/** Where `caller` was called from. */
export function callSite(caller: (...args: never[]) => unknown): CallSite {
  const site: CallSite = {};
  Error.captureStackTrace(site, caller);
  return site;
}

/** An answer comes out of the loop: what an error has to tell is where the call was made. */
export function tellCallSite(error: unknown, { stack }: CallSite): void {
  if (!(error instanceof DBusError || error instanceof ClientError) || stack === undefined) return;
  const frames = stack.slice(stack.indexOf('\n') + 1);
  error.stack = `${error.name}: ${error.message}\n${frames}`;
}
