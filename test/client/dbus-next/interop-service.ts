import { closeSync, openSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import dbus from '#bridge/client/dbus-next/index.js';
import type { TransportKind } from '#bridge/client/index.js';
import { INTERFACE, INTEROP_MEMBERS, interopClass, PATH } from '../../interop/dbus-next-service.js';
import type { MessageBus } from './stage.js';

/** The service of test/interop/python/interop.py, descriptors included. */
class InteropWithDescriptors extends interopClass(dbus) {
  ReadDescriptor(fd: number): string {
    const text = readFileSync(fd, 'utf8');
    closeSync(fd);
    return text;
  }

  OpenDescriptor(text: string): number {
    const fd = openText(text);
    setImmediate(() => closeSync(fd));
    return fd;
  }
}

InteropWithDescriptors.configureMembers({
  ...INTEROP_MEMBERS,
  methods: {
    ...INTEROP_MEMBERS.methods,
    ReadDescriptor: { inSignature: 'h', outSignature: 's' },
    OpenDescriptor: { inSignature: 's', outSignature: 'h' },
  },
});

let files = 0;

/** A descriptor from which `text` can be read. */
export function openText(text: string): number {
  const path = join(tmpdir(), `descriptor-${process.pid}-${files++}`);
  writeFileSync(path, text);
  const fd = openSync(path, 'r');
  unlinkSync(path);
  return fd;
}

/** A connection of the adapter, on handles unless it is told otherwise, or there are none. */
export async function openBus(
  busAddress: string,
  negotiateUnixFd = true,
  transport?: TransportKind,
): Promise<MessageBus> {
  const bus = dbus.sessionBus({ busAddress, negotiateUnixFd, transport }) as MessageBus;
  await once(bus, 'connect');
  return bus;
}

export async function serveInterop(
  address: string,
  name: string,
  transport?: TransportKind,
): Promise<MessageBus> {
  const bus = await openBus(address, true, transport);
  bus.export(PATH, new InteropWithDescriptors(INTERFACE));
  await bus.requestName(name, 0);
  return bus;
}
