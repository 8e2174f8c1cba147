import { UsageError } from './usage-error.js';

/** More make no sense on any machine of today, and are a mistake. */
const HOSTS_MAX = 64;

/** Checks how many hosts somebody wants; `origin` is the option or variable that says so. */
export function hostCount(text: string | undefined, origin: string): number {
  const count = text === undefined || text === '' ? 1 : Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= HOSTS_MAX) return count;
  throw new UsageError(`${origin} takes a number from 1 to ${HOSTS_MAX}, not "${text}"`);
}
