import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { HostEvent } from '#bridge/host/thread-messages.js';
import type { HostJob } from './data-plane.js';
import { closeFd, socketPair } from '#core/linux/index.js';
import { SEMI_SPACE_MAX_MIB } from './host-thread.js';
import { CHANNEL_FD, nodeArguments } from './node-child.js';

/** The child's end of its connection to the domain. */
const MEMBER_FD = CHANNEL_FD + 1;

const MEMORY = `--max-semi-space-size=${SEMI_SPACE_MAX_MIB}`;

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
  constructor(number: number, job: HostJob, hooks: HostProcessHooks) {
    const [ours, theirs] = socketPair();
    this.memberFd = ours;
    const program = fileURLToPath(new URL('../control/host-program.js', import.meta.url));
    this.#child = spawn(process.execPath, [MEMORY, ...nodeArguments(program), String(number)], {
      /* a reader of the bus's output waits for the end of the bus, not of its hosts */
      stdio: ['ignore', 'ignore', 'inherit', 'ipc', theirs],
      serialization: 'advanced',
    });
    closeFd(theirs);
    const childJob: HostJob = {
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
