import { DBusError, ErrorName } from './errors.js';
import type { IncomingHeader } from './incoming-header.js';
import type { IncomingCall } from './incoming-call.js';
import type { Emitter, InterfaceDescription } from './interface-description.js';
import type { Broadcast } from './method-call.js';
import { changes, introspectable, peer, properties, PROPERTIES } from './object-interfaces.js';
import type { ServedInterface, ServedMethod } from './served-interface.js';
import type { Signal } from './signal.js';

/** What an object needs of the place at which it is served. */
export interface ObjectHome {
  /** the path in its signals: '/' for an object that is reached by a capability */
  readonly path: string;
  children(): Iterable<string>;
  /** whether there may be subscribers: otherwise the signal need not be composed */
  isHeard(): boolean;
  emit(signal: Broadcast): void;
  close(): void;
  diagnose(error: unknown): void;
}

/** An object that this process serves: at a path of the bus, or as a capability. */
export class ServedObject {
  /** by name, the standard ones included */
  readonly interfaces = new Map<string, ServedInterface>();
  /** gets signals that were sent to this object alone */
  onSignal: ((signal: Signal) => void) | undefined;
  private readonly home: ObjectHome;
  /** the kind of the last call, and the method that it was for */
  private lastHeader: IncomingHeader | null = null;
  private lastMethod: ServedMethod | undefined;

  /** @internal */
  static create(served: readonly ServedInterface[], home: ObjectHome): ServedObject {
    return new ServedObject(served, home);
  }

  private constructor(served: readonly ServedInterface[], home: ObjectHome) {
    this.home = home;
    const standard = [
      introspectable(
        () => Array.from(this.interfaces.values(), ({ description }) => description),
        () => home.children(),
      ),
      properties(this),
      peer,
    ];
    for (const one of [...served, ...standard]) {
      if (!this.interfaces.has(one.name)) this.interfaces.set(one.name, one);
    }
  }

  /** Sends the signals of one of its interfaces, to all subscribers. */
  emitter<D extends InterfaceDescription>(description: D): Emitter<D>;
  emitter(description: InterfaceDescription): Emitter<InterfaceDescription> {
    const { home } = this;
    const emitters: Record<string, (...args: unknown[]) => void> = {};
    for (const [member, { args: signature }] of Object.entries(description.signals)) {
      emitters[member] = (...body) => {
        home.emit({ path: home.path, interface: description.name, member, signature, body });
      };
    }
    return emitters;
  }

  /** Notifies all subscribers of new values of properties, by PropertiesChanged. */
  changed(iface: string | InterfaceDescription, ...names: readonly string[]): void {
    const { path } = this.home;
    const served = this.interfaces.get(typeof iface === 'string' ? iface : iface.name);
    if (served === undefined || !this.home.isHeard()) return;
    const emit = (body: readonly unknown[]): void =>
      this.home.emit({
        path,
        interface: PROPERTIES,
        member: 'PropertiesChanged',
        signature: 'sa{sv}as',
        body,
      });
    const body = changes(served, names);
    if (body instanceof Promise) body.then(emit).catch((error) => this.home.diagnose(error));
    else if (body !== undefined) emit(body);
  }

  /** @internal */
  diagnose(error: unknown): void {
    this.home.diagnose(error);
  }

  /** Stops serving it. */
  close(): void {
    this.home.close();
  }

  /** @internal */
  takeSignal(signal: Signal): void {
    this.onSignal?.(signal);
  }

  /** @internal */
  take(call: IncomingCall): void {
    const method = this.methodOf(call.header);
    if (method === undefined) return call.refuse(this.unknown(call));
    if (call.signature !== method.in) {
      const why = `${call.member} takes arguments of types '${method.in}', not '${call.signature}'`;
      return call.refuse(new DBusError(ErrorName.InvalidArgs, why));
    }
    try {
      const result = method.run(call.body, call);
      if (result instanceof Promise) this.replyLater(call, method, result);
      else call.reply(method.out, method.values(result));
    } catch (error) {
      this.fail(call, error);
    }
  }

  private replyLater(call: IncomingCall, method: ServedMethod, result: Promise<unknown>): void {
    result
      .then((value) => call.reply(method.out, method.values(value)))
      .catch((error) => this.fail(call, error));
  }

  private fail(call: IncomingCall, error: unknown): void {
    if (!(error instanceof DBusError)) this.home.diagnose(error);
    call.fail(error);
  }

  // hot
  private methodOf(header: IncomingHeader): ServedMethod | undefined {
    if (header !== this.lastHeader) {
      this.lastMethod = this.find(header.interface, header.member!);
      this.lastHeader = header;
    }
    return this.lastMethod;
  }

  /** A call without an interface goes to the first interface that has such a method. */
  private find(iface: string | undefined, member: string): ServedMethod | undefined {
    if (iface !== undefined) return this.interfaces.get(iface)?.methods.get(member);
    for (const { methods } of this.interfaces.values()) {
      const method = methods.get(member);
      if (method !== undefined) return method;
    }
    return undefined;
  }

  private unknown({ interface: iface, member }: IncomingCall): DBusError {
    const isInterface = iface === undefined || this.interfaces.has(iface);
    return isInterface
      ? new DBusError(
          ErrorName.UnknownMethod,
          `there is no method ${member} in ${iface ?? 'any interface'}`,
        )
      : new DBusError(ErrorName.UnknownInterface, `the object has no interface ${iface}`);
  }
}
