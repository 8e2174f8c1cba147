/** One host of a bus that runs several (bus1-bridge run --hosts); its number is in the command line. */
import { runOwn } from './own-runtime.js';

async function load(): Promise<{ main: () => Promise<number> }> {
  const { runHostChild } = await import('./host-child.js');
  return { main: runHostChild };
}

void runOwn('bus1-host', load);
