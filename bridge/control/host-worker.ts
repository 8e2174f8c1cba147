/** One host in a thread of its own: Node's event loop has a turn only where it must (`Host.run`). */
import { receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import type { Host } from '#bridge/host/host.js';
import type { HostEvent } from '#bridge/host/thread-messages.js';
import { saveCode, setRunningFlags } from './code-cache.js';
import type { HostJob } from './data-plane.js';

/** What the thread is started with. */
export interface HostThreadData {
  readonly port: MessagePort;
  readonly job: HostJob;
}

async function run({ port, job }: HostThreadData): Promise<void> {
  const { carryOut, createHost, failureEvent } = await import('./data-plane.js');
  const post = (event: HostEvent): void => port.postMessage(event);
  const fetch = (host: Host): void => {
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port))
      carryOut(host, next.message);
  };
  try {
    const host = await createHost(job, post, fetch);
    post({ type: 'ready', wakeupFd: host.wakeupFd });
    /* carries out what was posted before the host could be woken */
    fetch(host);
    saveCode();
    setRunningFlags();
    while (!host.run()) await eventLoopTurn();
    post({ type: 'stopped' });
  } catch (error) {
    post(failureEvent(error));
  }
  port.close();
}

/** Not from node:timers/promises, which would have to be loaded. */
function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

void run(workerData);
