import { writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  MessageChannel,
  Worker,
  receiveMessageOnPort,
  type MessagePort,
  type WorkerOptions,
} from 'node:worker_threads';
import { Subject, type Observable } from 'rxjs';
import type { HostCommand, HostEvent } from '#bridge/host/thread-messages.js';
import type { HostJob } from './data-plane.js';
import type { HostThreadData } from './host-worker.js';
import { shareMallocArenas, spareAddressSpace } from '#core/linux/index.js';
import { StartupError } from './startup-error.js';

/** What is written to an eventfd to make it readable: eventfd(2). */
const ONE = new BigUint64Array([1n]);

/** The thread of a host, as the control plane sees it. */
export class HostThread {
  /** What the thread reports; completes when it has ended. */
  readonly events: Observable<HostEvent>;
  /** Resolves when clients can connect; rejects with StartupError. */
  readonly ready: Promise<void>;
  /** Resolves when the thread has ended: with undefined, or with the reason if it has failed. */
  readonly ended: Promise<string | undefined>;
  readonly #events = new Subject<HostEvent>();
  readonly #port: MessagePort;
  /** Called when this process exits, since Node first waits for its threads: after an uncaught error, too. */
  readonly #stop = (): void => this.post({ type: 'stop' });
  #wakeupFd: number | undefined;
  #failure: string | undefined;

  constructor(job: HostJob) {
    const { port1, port2 } = new MessageChannel();
    const workerData: HostThreadData = { port: port2, job };
    const resourceLimits = { maxYoungGenerationSizeMb: 3 * SEMI_SPACE_MAX_MIB, ...threadLimits() };
    const worker = startWorker({ workerData, transferList: [port2], resourceLimits });
    this.#port = port1;
    this.events = this.#events.asObservable();
    this.ready = new Promise((resolve, reject) => {
      this.#events.subscribe({
        next: ({ type }) => type === 'ready' && resolve(),
        complete: () => reject(this.#startupError()),
      });
    });
    this.ended = new Promise((resolve) => {
      this.#events.subscribe({ complete: () => resolve(this.#failure) });
    });
    port1.on('message', (event: HostEvent) => this.#take(event));
    worker.once('error', (error) => (this.#failure = String(error)));
    worker.once('exit', () => this.#end());
    process.once('exit', this.#stop);
  }

  /** The thread carries the command out in its next turn; if it has not started yet, once it has. */
  post(command: HostCommand): void {
    this.#port.postMessage(command, []);
    this.#wake();
  }

  #take(event: HostEvent): void {
    if (event.type === 'ready') {
      this.#wakeupFd = event.wakeupFd;
      this.#wake();
    }
    // From here on the descriptor's number may belong to another file.
    if (event.type === 'stopped' || event.type === 'failed') this.#wakeupFd = undefined;
    if (event.type === 'failed') this.#failure = event.message;
    this.#events.next(event);
  }

  #end(): void {
    process.off('exit', this.#stop);
    this.#wakeupFd = undefined;
    for (;;) {
      const left: { message: HostEvent } | undefined = receiveMessageOnPort(this.#port);
      if (left === undefined) break;
      this.#take(left.message);
    }
    this.#port.close();
    this.#events.complete();
  }

  #wake(): void {
    if (this.#wakeupFd !== undefined) writeSync(this.#wakeupFd, ONE);
  }

  #startupError(): StartupError {
    return new StartupError(
      'thread-failed',
      `the bus failed: ${this.#failure ?? 'its thread ended without an error'}`,
    );
  }
}

/** The text of host-worker.ts, which packaging/bundle.mjs inserts: for a file, Node would open that and others. */
declare const HOST_WORKER: string;

/** A build that is not bundled has a file in its place. */
function startWorker(options: WorkerOptions): Worker {
  const url = new URL('../control/host-worker.js', import.meta.url);
  if (typeof HOST_WORKER === 'undefined') return new Worker(url, options);
  const file = fileURLToPath(url);
  const values = [file, dirname(file)].map((value) => JSON.stringify(value));
  const require = `require('node:module').createRequire(${values[0]})`;
  const text = `(function (require, __filename, __dirname) {${HOST_WORKER}\n})(${require}, ${values.join(', ')});`;
  return new Worker(text, { ...options, eval: true });
}

/**
 * Memory for objects that have just been made: V8 has three such parts. Each grows with the allocations of a burst and
 * never shrinks, to 16 MiB by default; a host makes no objects for messages, and needs no more than V8 begins with.
 */
export const SEMI_SPACE_MAX_MIB = 1;

/** V8 reserves 128 MiB or more of address space for machine code, of which a bus uses 2 MiB. */
const CODE_RANGE_MIB = 16;

/** The least free address space with which a thread of Node has started, plus what messages need. */
const THREAD_MIN_MIB = 100;

/**
 * Where address space is limited, makes V8 and malloc reserve less of it.
 *
 * @throws StartupError where a thread would not start: V8 would end the process with a message of its own
 */
function threadLimits(): { codeRangeSizeMb: number } | undefined {
  const spareMib = spareAddressSpace() / 2 ** 20;
  if (spareMib === Infinity) return undefined;
  if (spareMib >= THREAD_MIN_MIB) {
    shareMallocArenas();
    return { codeRangeSizeMb: CODE_RANGE_MIB };
  }
  const missing = Math.ceil(THREAD_MIN_MIB - spareMib);
  throw new StartupError(
    'no-address-space',
    `the limit of address space (RLIMIT_AS: ulimit -v, LimitAS=) is ${missing} MiB too low for a bus; ` +
      'raise it, or remove it: reserved address space takes no memory',
  );
}
