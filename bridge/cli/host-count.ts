import { UsageError } from './usage-error.js';

/** More make no sense on any machine of today, and are a mistake. */
const HOSTS_MAX = 64;

/** Parses the number of hosts; `origin` names the option or variable that it came from, for the error. */
export function hostCount(text: string | undefined, origin: string): number {
  const count = text === undefined || text === '' ? 1 : Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= HOSTS_MAX) return count;
  throw new UsageError(`${origin} takes a number from 1 to ${HOSTS_MAX}, not "${text}"`);
}
