import { readProc, threadsOf, withDescendants } from './process-tree.js';

/** How often each thread has gone to sleep voluntarily, and so was woken, by thread ID. */
type SleepCounts = ReadonlyMap<number, number>;

/**
 * How often the threads of `pids`, and of all processes that these have started, wake up within
 * `durationMs`: voluntary context switches (proc_pid_status(5)), a second.
 */
export async function wakeUpsPerSecond(
  pids: readonly number[],
  durationMs: number,
): Promise<number> {
  const family = pids.flatMap(withDescendants);
  const start = performance.now();
  const before = sleepCounts(family);
  await new Promise((resolve) => setTimeout(resolve, durationMs));
  const after = sleepCounts(family);
  const seconds = (performance.now() - start) / 1000;
  let wakeUps = 0;
  for (const [thread, count] of after) wakeUps += count - (before.get(thread) ?? 0);
  return wakeUps / seconds;
}

function sleepCounts(pids: readonly number[]): SleepCounts {
  const counts = new Map<number, number>();
  for (const pid of pids) {
    for (const thread of threadsOf(pid)) {
      const status = readProc(`${pid}/task/${thread}/status`);
      const [, count] = /^voluntary_ctxt_switches:\s*(\d+)/m.exec(status) ?? [];
      if (count !== undefined) counts.set(Number(thread), Number(count));
    }
  }
  return counts;
}
