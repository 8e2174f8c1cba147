import { BENCH_INTERFACE, BENCH_PATH, serviceName } from '#bridge/bench/names.js';
import { LoopCaller } from './loop-caller.js';

/** dbus-next itself, or by way of a domain: their interfaces are the same. */
type DbusNextKind = 'dbus-next' | 'dbus-next-native';

function loadDbusNext(kind: DbusNextKind): Promise<typeof import('dbus-next')> {
  return kind === 'dbus-next' ? import('dbus-next') : import('#bridge/client/dbus-next/index.js');
}

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

/** A service that is written for dbus-next. */
export async function serveDbusNext(
  kind: DbusNextKind,
  path: string,
  ready: () => void,
): Promise<void> {
  const { sessionBus, interface: service } = await loadDbusNext(kind);
  class Echo extends service.Interface {
    Echo(bytes: Buffer): Buffer {
      return bytes;
    }
  }
  Echo.configureMembers({ methods: { Echo: { inSignature: 'ay', outSignature: 'ay' } } });
  const bus = sessionBus({ busAddress: `unix:path=${path}` });
  bus.export(BENCH_PATH, new Echo(BENCH_INTERFACE));
  await bus.requestName(serviceName(0), 0);
  ready();
}
