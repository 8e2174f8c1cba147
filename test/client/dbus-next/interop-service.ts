import { closeSync, openSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import dbus from '#bridge/client/dbus-next/index.js';
import type { TransportKind } from '#bridge/client/index.js';
import type { MessageBus } from './stage.js';

export const PATH = '/org/example/Interop';
export const INTERFACE = 'org.example.Interop';

/** The service of test/interop/python/interop.py, descriptors included. */
export class Interop extends dbus.interface.Interface {
  #label = 'first';

  get Version(): number {
    return 7;
  }

  get Label(): string {
    return this.#label;
  }

  set Label(label: string) {
    this.#label = label;
    Interop.emitPropertiesChanged(this, { Label: label }, []);
  }

  Echo(value: dbus.Variant): dbus.Variant {
    return value;
  }

  Sum(terms: number[]): number {
    return terms.reduce((sum, term) => sum + term, 0);
  }

  Refuse(): never {
    throw new dbus.DBusError('org.example.Interop.Error.Refused', 'on purpose');
  }

  Length(bytes: Uint8Array): number {
    return bytes.length;
  }

  Zeros(length: number): Buffer {
    return Buffer.alloc(length);
  }

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

  Tick(text: string): void {
    this.Ticked(text);
  }

  Ticked(text: string): string {
    return text;
  }
}

Interop.configureMembers({
  properties: {
    Label: { signature: 's', access: 'readwrite' },
    Version: { signature: 'u', access: 'read' },
  },
  methods: {
    Echo: { inSignature: 'v', outSignature: 'v' },
    Sum: { inSignature: 'ai', outSignature: 'i' },
    Refuse: {},
    Length: { inSignature: 'ay', outSignature: 'u' },
    Zeros: { inSignature: 'u', outSignature: 'ay' },
    ReadDescriptor: { inSignature: 'h', outSignature: 's' },
    OpenDescriptor: { inSignature: 's', outSignature: 'h' },
    Tick: { inSignature: 's' },
  },
  signals: { Ticked: { signature: 's' } },
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
  bus.export(PATH, new Interop(INTERFACE));
  await bus.requestName(name, 0);
  return bus;
}
