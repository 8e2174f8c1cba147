import { loadDbusNext } from '#bridge/bench/dbus-next-library.js';
import type { DbusNextKind } from '#bridge/bench/dbus-next-library.js';
import { BENCH_INTERFACE, BENCH_PATH, serviceName } from '#bridge/bench/names.js';

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
