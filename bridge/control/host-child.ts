import { once } from 'node:events';
import { setImmediate as eventLoop } from 'node:timers/promises';
import { nameThread } from '#core/linux/index.js';
import type { HostCommand, HostEvent } from '#bridge/host/thread-messages.js';
import { saveCode, setRunningFlags } from './code-cache.js';
import { carryOut, createHost, failureEvent, type HostJob } from './data-plane.js';
import { eventLoopDescriptor } from './event-loop.js';
import { closeAllOnExec } from './inherited-descriptors.js';
import { CHANNEL_FD } from './node-child.js';

/**
 * Runs one host of a bus until its parent stops it. When the parent dies, established connections go on, with all
 * handles that they have; the host ends with the last of them. Resolves with the exit status.
 */
export async function runHostChild(): Promise<number> {
  /* a terminal signals the whole process group: the parent decides what happens */
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
  nameThread(`bus1-host/${process.argv[2]}`);
  closeAllOnExec();
  const job: HostJob = (await once(process, 'message'))[0];
  try {
    await run(job);
    return 0;
  } catch (error) {
    report(failureEvent(error));
    return 1;
  } finally {
    if (process.connected) process.disconnect();
  }
}

/**
 * The host has the only thread of this process. It gives Node's event loop a turn when signals or messages of the
 * parent wait there, and at no other time.
 */
async function run(job: HostJob): Promise<void> {
  const host = await createHost(job, report);
  process.on('SIGTERM', () => host.stop());
  process.on('message', (command: HostCommand) => carryOut(host, command));
  process.on('disconnect', () => host.dwindle());
  host.poller.watch({ fd: eventLoopDescriptor(CHANNEL_FD), readable: () => host.pause() });
  report({ type: 'ready', wakeupFd: host.wakeupFd });
  saveCode();
  setRunningFlags();
  host.memoryReturn.returnStart();
  while (!host.run()) await eventLoop();
}

function report(event: HostEvent): void {
  /* nobody wants it any more if the parent has just died */
  if (process.connected) process.send?.(event, () => {});
}
