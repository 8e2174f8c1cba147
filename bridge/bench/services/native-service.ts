import { implement, join, joinSync } from '#bridge/client/index.js';
import { BenchInterface } from '#bridge/bench/bench-interface.js';
import { BENCH_PATH, serviceName } from '#bridge/bench/names.js';

const echo = implement(BenchInterface, { methods: { Echo: (bytes) => bytes } });

/** A native service without a loop. */
export function serveBlocking(path: string, ready: () => void): never {
  const bus = joinSync({ address: `unix:path=${path}` });
  bus.serve(BENCH_PATH, echo);
  bus.requestNameSync(serviceName(0));
  ready();
  for (;;) bus.wait(-1);
}

/** A native service in Node's loop. */
export async function serveInLoop(path: string, ready: () => void): Promise<void> {
  const bus = await join({ address: `unix:path=${path}` });
  bus.serve(BENCH_PATH, echo);
  await bus.requestName(serviceName(0));
  ready();
}
