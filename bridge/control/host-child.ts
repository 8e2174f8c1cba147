import type { HostCommand, HostEvent } from '#bridge/host/thread-messages.js';
import { closeAllOnExec } from './inherited-descriptors.js';
import type { HostProcessJob } from './host-process.js';
import { HostThread } from './host-thread.js';

/**
 * Runs one host of a bus until its parent stops it. When the parent dies, established connections go on, with all
 * handles that they have; the host ends with the last of them. Resolves with the exit status.
 */
export async function runHostChild(): Promise<number> {
  /* a terminal signals the whole process group: the parent decides what happens */
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
  closeAllOnExec();
  const job = await new Promise<HostProcessJob>((resolve) => {
    process.once('message', (message: HostProcessJob) => resolve(message));
  });
  const host = new HostThread(job);
  /* the reason is in the event */
  host.ready.catch(() => undefined);
  const stop = (): void => host.post({ type: 'stop' });
  process.on('SIGTERM', stop);
  process.on('message', (command: HostCommand) => host.post(command));
  process.on('disconnect', () => host.post({ type: 'dwindle' }));
  host.events.subscribe((event: HostEvent) => {
    if (process.connected) process.send!(event);
  });
  const failure = await host.ended;
  if (process.connected) process.disconnect();
  return failure === undefined ? 0 : 1;
}
