import dbus from 'dbus-next';
import { connect } from '../support/names.js';

export const PATH = '/org/example/Interop';
export const INTERFACE = 'org.example.Interop';
export const REFUSED = 'org.example.Interop.Error.Refused';

export const INTEROP_MEMBERS = {
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
    Tick: { inSignature: 's' },
  },
  signals: { Ticked: { signature: 's' } },
} as const;

/**
 * The Interop service of python/interop.py without descriptors, which dbus-next cannot pass. The members have yet to be
 * configured.
 */
export function interopClass(library: typeof dbus): typeof dbus.interface.Interface {
  class Interop extends library.interface.Interface {
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
      throw new library.DBusError(REFUSED, 'on purpose');
    }

    Length(bytes: Uint8Array): number {
      return bytes.length;
    }

    Zeros(length: number): Buffer {
      return Buffer.alloc(length);
    }

    Tick(text: string): void {
      this.Ticked(text);
    }

    Ticked(text: string): string {
      return text;
    }
  }

  return Interop;
}

const Interop = interopClass(dbus);
Interop.configureMembers(INTEROP_MEMBERS);

export interface DbusNextService {
  bus: dbus.MessageBus;
  stop(): void;
}

/**
 * Starts the service as `name`. It answers the method org.example.Interop.Raw.Mirror, too, at any
 * path: with just the arguments that it was called with, whatever their types.
 */
export async function startDbusNextService(
  address: string,
  name: string,
): Promise<DbusNextService> {
  const bus = await connect(address);
  bus.addMethodHandler((message: dbus.Message) => {
    if (message.member !== 'Mirror') return false;
    bus.send(dbus.Message.newMethodReturn(message, message.signature, message.body));
    return true;
  });
  bus.export(PATH, new Interop(INTERFACE));
  await bus.requestName(name, 0);
  return { bus, stop: () => bus.disconnect() };
}
