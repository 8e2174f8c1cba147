import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { HostEvent } from '#bridge/host/thread-messages.js';
import type { HostThreadData } from './data-plane.js';
import { closeFd, socketPair } from '#core/linux/index.js';
import { nodeArguments } from './node-child.js';

/** The first descriptor after the standard streams and the channel to the parent. */
const MEMBER_FD = 4;

/** What a host in a process of its own is started with; descriptors are numbers of the child's. */
export type HostProcessJob = Omit<HostThreadData, 'port'>;

export interface HostProcessHooks {
  readonly took: (event: HostEvent) => void;
  /** `how` says by which signal or status it ended */
  readonly ended: (how: string) => void;
}

/** A host in a process of its own, which gets its clients from the host with the registry. */
export class HostProcess {
  /** The other end of its connection, to be handed to the authority. */
  readonly memberFd: number;
  readonly #child: ChildProcess;

  /** @param number shown to users; the first host is 1 */
  constructor(number: number, job: HostProcessJob, hooks: HostProcessHooks) {
    const [ours, theirs] = socketPair();
    this.memberFd = ours;
    const program = fileURLToPath(new URL('../control/host-program.js', import.meta.url));
    this.#child = spawn(process.execPath, [...nodeArguments(program), String(number)], {
      /* a reader of the bus's output waits for the end of the bus, not of its hosts */
      stdio: ['ignore', 'ignore', 'inherit', 'ipc', theirs],
      serialization: 'advanced',
    });
    closeFd(theirs);
    const childJob: HostProcessJob = {
      ...job,
      options: {
        ...job.options,
        /* the host with the registry accepts for all */
        listenFds: [],
        nonces: new Map(),
        addresses: new Map(),
        domain: { fd: MEMBER_FD },
      },
    };
    this.#child.send(childJob);
    this.#child.on('message', (event: HostEvent) => hooks.took(event));
    this.#child.once('exit', (status, signal) => hooks.ended(signal ?? `exit status ${status}`));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Asks the host to end; it first closes its connections. */
  stop(): void {
    if (this.#child.connected) this.#child.send({ type: 'stop' });
  }
}
