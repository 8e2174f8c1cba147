import { join } from '#bridge/client/index.js';
import { BenchInterface } from '#bridge/bench/bench-interface.js';
import { BENCH_PATH, serviceName } from '#bridge/bench/names.js';
import { LoopCaller } from './loop-caller.js';

/** The native API in Node's loop, through a proxy, as programs use it. */
export async function openNative(path: string): Promise<LoopCaller> {
  const bus = await join({ address: `unix:path=${path}` });
  const { methods } = bus.proxy(BenchInterface, serviceName(0), BENCH_PATH);
  return new LoopCaller({
    bytes: (length) => new Uint8Array(length).fill(0x55),
    echo: (bytes) => methods.Echo(bytes),
    close: () => bus.close(),
  });
}
