import { setTimeout as delay } from 'node:timers/promises';
import type { HostEvent } from '#bridge/host/thread-messages.js';
import type { HostJob } from './data-plane.js';
import { HostProcess } from './host-process.js';
import type { Logger } from './logger.js';
import { StartupError } from './startup-error.js';

/** A host that dies is replaced after this time, which is longer than it takes to see the reason in the log. */
const RESTART_DELAY_MS = 500;

export interface HostProcessesOptions {
  readonly count: number;
  /** called for each host that is started, because the rules may have changed since the last */
  readonly job: () => HostJob;
  /** makes a connected socket a member of the domain, as a host that is trusted */
  readonly admit: (memberFd: number) => void;
  readonly take: (event: HostEvent) => void;
  readonly logger: Logger;
}

/** The hosts of a bus that are processes of their own: started together, and each restarted when it dies. */
export class HostProcesses {
  /** Resolves when clients of all hosts can connect; rejects with StartupError. */
  readonly ready: Promise<void>;
  readonly #options: HostProcessesOptions;
  readonly #running = new Set<HostProcess>();
  #ended: (() => void) | undefined;
  #isStopping = false;

  constructor(options: HostProcessesOptions) {
    this.#options = options;
    const starts = Array.from({ length: options.count }, (_, index) => this.#start(index + 1));
    this.ready = Promise.all(starts).then(() => undefined);
  }

  /** Resolves when all have ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const host of this.#running) host.stop();
    if (this.#running.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#ended = resolve;
    });
  }

  #start(number: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const host = new HostProcess(number, this.#options.job(), {
        took: (event) => {
          if (event.type === 'ready') resolve();
          this.#options.take(event);
        },
        ended: (how) => {
          reject(new StartupError('thread-failed', `a host of the bus ended (${how})`));
          this.#lost(host, number, how);
        },
      });
      this.#running.add(host);
      this.#options.admit(host.memberFd);
    });
  }

  #lost(host: HostProcess, number: number, how: string): void {
    this.#running.delete(host);
    if (this.#isStopping) {
      if (this.#running.size === 0) this.#ended?.();
      return;
    }
    const consequence = 'its clients are disconnected, and another one is started';
    this.#options.logger.error({ pid: host.pid, how }, `a host has ended: ${consequence}`);
    void delay(RESTART_DELAY_MS).then(() => {
      if (!this.#isStopping) this.#start(number).catch(() => undefined);
    });
  }
}
