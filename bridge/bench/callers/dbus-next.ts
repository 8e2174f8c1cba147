import { loadDbusNext } from '#bridge/bench/dbus-next-library.js';
import type { DbusNextKind } from '#bridge/bench/dbus-next-library.js';
import { BENCH_INTERFACE, BENCH_PATH, serviceName } from '#bridge/bench/names.js';
import { LoopCaller } from './loop-caller.js';

/** dbus-next through a proxy, as programs use it. */
export async function openDbusNext(kind: DbusNextKind, path: string): Promise<LoopCaller> {
  const { sessionBus } = await loadDbusNext(kind);
  const bus = sessionBus({ busAddress: `unix:path=${path}` });
  const object = await bus.getProxyObject(serviceName(0), BENCH_PATH);
  const proxy = object.getInterface(BENCH_INTERFACE);
  const { Echo: echo } = proxy;
  if (echo === undefined) throw new Error(`${BENCH_INTERFACE} has no Echo`);
  const call: (bytes: Uint8Array) => Promise<Uint8Array> = echo.bind(proxy);
  return new LoopCaller({
    bytes: (length) => Buffer.alloc(length, 0x55),
    echo: call,
    close: () => bus.disconnect(),
  });
}
