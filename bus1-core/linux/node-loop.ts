import koffi from 'koffi';

/** Something in Node's own loop that keeps the process alive until it is closed or unref'd. */
export interface LoopWatch {
  ref(): void;
  unref(): void;
  close(): void;
}

/** Keeps handles from being garbage-collected, which would end the watch on their descriptors. */
const open = new Set<LoopWatch>();

/** While Node takes its environment down no callback can run: a pending one would abort the process. */
process.once('exit', () => {
  for (const watch of open) watch.close();
});

const nothing = (): void => {};

/**
 * From Node 26.4 on, the continuations of promises no longer run after a callback of koffi (nodejs/node#62969): they
 * would wait for the next timer. Node runs them after an immediate, which is due before the loop sleeps.
 */
const LEAVES_MICROTASKS = leavesMicrotasks(process.versions.node);

function leavesMicrotasks(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 26 || (major === 26 && minor >= 4);
}

/**
 * Calls `onReadable` from Node's loop whenever `fd` (a socket, an eventfd, an epoll descriptor) can be read, has failed
 * or is at its end. Not for worker threads that block in epoll_wait: their Node loop does not run.
 */
export function watchReadable(fd: number, onReadable: () => void): LoopWatch {
  const callback = LEAVES_MICROTASKS ? beforeMicrotasks(onReadable) : onReadable;
  const handle = koffi.node.poll(fd, { readable: true, disconnect: true }, callback);
  handle.ref();
  const watch: LoopWatch = {
    ref: () => handle.ref(),
    unref: () => handle.unref(),
    close: () => {
      if (open.delete(watch)) handle.close();
    },
  };
  open.add(watch);
  return watch;
}

function beforeMicrotasks(callback: () => void): () => void {
  return () => {
    setImmediate(nothing);
    callback();
  };
}
