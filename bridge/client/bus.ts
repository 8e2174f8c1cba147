import { Subject, type Observable, type Observer } from 'rxjs';
import { callSite, failure, tellCallSite } from './call-site.js';
import type { Capability } from './capability.js';
import { DriverClient, DRIVER_NAME } from './driver-client.js';
import { exportObject, objectOf, unexportObject, type ExportOptions } from './exported-object.js';
import { DBusError, ErrorName } from './errors.js';
import type { HeldHandle } from './held-handle.js';
import type { IncomingCall } from './incoming-call.js';
import type { CallOptions, InterfaceDescription, Proxy } from './interface-description.js';
import { KnownNames } from './known-names.js';
import type { Member } from './member.js';
import type { Broadcast, MethodCall, NamedCall, Reply } from './method-call.js';
import { INTROSPECTABLE } from './object-interfaces.js';
import { ManagedObjects, objectManager } from './managed-objects.js';
import { mustBeMapped, type ObjectOf } from './mapped.js';
import { credentialsOf, waitForName, watchName, type Credentials } from './name-watch.js';
import { ObjectSignals } from './object-signals.js';
import { ObjectTree } from './object-tree.js';
import {
  OwnNames,
  type NameFlags,
  type ReleaseNameReply,
  type RequestNameReply,
} from './own-names.js';
import { openProxy } from './proxy.js';
import { RemoteObject, type ObjectAccess } from './remote-object.js';
import { listOf, type ServedInterfaces } from './served-interface.js';
import { attachSignals, serviceOf } from './service-class.js';
import type { ServedObject } from './served-object.js';
import type { Signal } from './signal.js';
import { signalRule, type SignalRule } from './signal-rule.js';
import { SocketNames } from './socket-names.js';
import { Stream } from './stream.js';
import { Subscriptions } from './subscriptions.js';
import type { TransportKind } from './transport.js';

/** Signals by which the bus announces that the name in their first argument has changed its owner. */
const OWNER_SIGNALS: readonly string[] = ['NameOwnerChanged', 'NameAcquired', 'NameLost'];

/**
 * A bus, as seen by a process that has joined its domain: `join` makes one. The process stays alive while a call
 * waits, an object is served, a name is owned, or a subscription exists.
 */
export class Bus {
  /** such as `:1.42` */
  readonly uniqueName: string;
  /** how this process reaches the bus: as a member of its domain, or over a socket, without capabilities as values */
  readonly transport: TransportKind;
  /** resolves with the reason when this was closed, or when the bridge is gone: conversations that have begun go on */
  readonly closed: Promise<string>;
  readonly #member: Member;
  readonly #driver: DriverClient;
  readonly #objects: ObjectTree;
  readonly #names: KnownNames;
  /** only over a socket */
  readonly #socketNames: SocketNames | undefined;
  readonly #own: OwnNames;
  readonly #subscriptions: Subscriptions;
  /** events of this bus; made with the inbox, before the bus */
  readonly #events: BusEvents;

  /** @internal */
  static create(
    driver: DriverClient,
    uniqueName: string,
    driverHandle: HeldHandle,
    events: BusEvents,
  ): Bus {
    return new Bus(driver, uniqueName, driverHandle, events);
  }

  private constructor(
    driver: DriverClient,
    uniqueName: string,
    driverHandle: HeldHandle,
    events: BusEvents,
  ) {
    const { member } = driver;
    this.uniqueName = uniqueName;
    this.transport = member.transport;
    this.#member = member;
    this.#driver = driver;
    this.#events = events;
    this.#objects = events.objects;
    this.#names = new KnownNames(driver);
    this.#names.keep(DRIVER_NAME, driverHandle);
    if (member.transport === 'socket') this.#socketNames = new SocketNames(driver);
    this.#own = new OwnNames(driver, events);
    this.#subscriptions = new Subscriptions(driver);
    events.signals.subscribe((signal) => this.#deliver(signal));
    member.calls.sender = uniqueName;
    member.objectSignals = new ObjectSignals(member);
    member.signals = (rule) => this.#bodies(rule);
    this.closed = new Promise((resolve) => {
      driver.onGone(() => resolve('the process of the bridge has ended'));
      void member.closed.then(resolve);
    });
    void member.closed.then(() => {
      this.#own.complete();
      this.#subscriptions.complete();
    });
  }

  /**
   * Calls a method of the owner of `destination`. @throws like `Capability.call`, and DBusError `ServiceUnknown`
   */
  call(call: NamedCall): Promise<Reply> {
    return this.#callFor(call.destination, call, (reply) => reply);
  }

  /** Like `call`, blocking the thread for `timeoutMs` at most, 25 s by default; -1 without end. */
  callSync(call: NamedCall): Reply {
    const target =
      this.#names.find(call.destination) ??
      this.#names.resolveSync(call.destination, call.timeoutMs);
    return this.#member.calls.callSync(target, call);
  }

  /** A capability to the owner of a name, or to what starts it. @throws DBusError `ServiceUnknown`, ClientError */
  async resolve(name: string, options: CallOptions = {}): Promise<Capability> {
    await this.#socketNames?.look(name, options);
    return this.#names.capability(await this.#names.resolve(name, options));
  }

  /** The same, blocking the thread. */
  resolveSync(name: string, timeoutMs?: number): Capability {
    this.#socketNames?.lookSync(name, timeoutMs);
    return this.#names.capability(this.#names.resolveSync(name, timeoutMs));
  }

  /**
   * A capability to the object that the name of a mapped service leads to: its results hold capabilities in place of
   * paths. Typed for the names of modules that `bus1-bridge generate --mapping` has written, where one is imported.
   *
   * @throws like `resolve`; ClientError `NotMapped`; DBusError `NotSupported` without a domain
   */
  mapped<Name extends string>(name: Name, options?: CallOptions): Promise<ObjectOf<Name>>;
  async mapped(name: string, options: CallOptions = {}): Promise<Capability> {
    if (this.transport === 'socket') {
      const why = `over a socket, ${name} has object paths, no capabilities: open the bus with transport: 'domain'`;
      throw new DBusError(ErrorName.NotSupported, why);
    }
    const capability = await this.resolve(name, options);
    await mustBeMapped(capability, name, options);
    return capability;
  }

  /** An object of the owner of `name`, by one of its interfaces. Follows the name to its next owner. */
  proxy<D extends InterfaceDescription>(description: D, name: string, path: string): Proxy<D> {
    return openProxy(description, path, {
      call: (call, convert) => this.#callFor(name, call, convert),
      signals: (rule) => this.#bodies({ ...rule, path, sender: name }),
    });
  }

  /**
   * An object of the owner of `name`, by its introspection data: no description is needed.
   *
   * @throws like `call`, and IntrospectionError
   */
  object(name: string, path: string, options: CallOptions = {}): Promise<RemoteObject> {
    const access: ObjectAccess = {
      introspect: async (call) => {
        const member = 'Introspect';
        const asked = { destination: name, path, interface: INTROSPECTABLE, member, ...call };
        return String((await this.call(asked)).body[0]);
      },
      proxy: (description) => this.proxy(description, name, path),
    };
    return RemoteObject.open(name, path, access, options);
  }

  /** The objects that the object manager at `path` of the owner of `name` reports, kept up to date. */
  objects(name: string, path: string, options: CallOptions = {}): Promise<ManagedObjects> {
    const open = (at: string, description: InterfaceDescription): Proxy<InterfaceDescription> =>
      this.proxy(description, name, at);
    return ManagedObjects.open(path, open, options);
  }

  /** The unique name of the owner of `name`, now and after each change; undefined when there is none. */
  watchName(name: string): Stream<string | undefined> {
    return watchName(this, name);
  }

  /** Resolves with the unique name of the owner of `name`, as soon as there is one. @throws TimeoutError */
  waitForName(name: string, options: CallOptions = {}): Promise<string> {
    return waitForName(this, name, options);
  }

  /** The credentials of a name's owner, as the bus reports them. @throws DBusError `NameHasNoOwner` */
  credentials(name: string, options: CallOptions = {}): Promise<Credentials> {
    return credentialsOf(this, name, options);
  }

  /**
   * Serves an object at a path, under all names of this process. Its interfaces are made by `implement`; the standard
   * ones (Introspectable, Properties, Peer) are added to them.
   *
   * @throws TypeError when the path is taken or not valid
   */
  serve(path: string, interfaces: ServedInterfaces): ServedObject {
    const member = this.#member;
    member.mustBeOpen();
    const object = this.#objects.add(path, listOf(interfaces), {
      emit: (signal) => this.emit(signal),
      close: () => member.unhold(),
      diagnose: (error) => member.diagnose(error),
    });
    member.hold();
    return object;
  }

  /** Like `serve`, with `org.freedesktop.DBus.ObjectManager`: it reports all objects that are served below it. */
  serveManager(path: string, interfaces: ServedInterfaces = []): ServedObject {
    const manager = objectManager(() => this.#objects.managedBelow(path));
    const object = this.serve(path, [...listOf(interfaces), manager]);
    this.#objects.manage(path, object);
    return object;
  }

  /**
   * Serves an object whose class has the decorators `method`, `property` and `signal`.
   *
   * @throws TypeError like `serve`, and for a class without any
   */
  serveClass(path: string, name: string, instance: object): ServedObject {
    const object = this.serve(path, serviceOf(name, instance));
    attachSignals(name, instance, object);
    return object;
  }

  /** Takes calls to paths at which nothing is served; a handler returns false for a call that it does not take. */
  serveElsewhere(handler: ((call: IncomingCall) => boolean) | undefined): void {
    if ((handler === undefined) !== (this.#objects.fallback === undefined)) {
      if (handler === undefined) this.#member.unhold();
      else this.#member.hold();
    }
    this.#objects.fallback = handler;
  }

  /**
   * Makes an object that is reached by a capability instead of a path. It lives as long as a capability to it
   * exists.
   */
  export(interfaces: ServedInterfaces, options?: ExportOptions): Capability {
    return exportObject(this.#member, listOf(interfaces), options);
  }

  /** Ends an object that `export` made: all capabilities to it become invalid. */
  unexport(capability: Capability): void {
    unexportObject(this.#member, capability);
  }

  /**
   * The object behind a capability that `export` made here: its signals reach everyone who has subscribed through a
   * capability to it.
   *
   * @throws TypeError for any other, ClientError when it is gone
   */
  objectOf(capability: Capability): ServedObject {
    return objectOf(this.#member, capability);
  }

  /** Asks for a name. @throws DBusError, ClientError */
  requestName(name: string, flags: NameFlags = {}): Promise<RequestNameReply> {
    return this.#own.request(name, flags);
  }

  /** The same, blocking the thread. */
  requestNameSync(name: string, flags: NameFlags = {}): RequestNameReply {
    return this.#own.requestSync(name, flags);
  }

  /** Gives a name back, or a place in its queue. */
  releaseName(name: string): Promise<ReleaseNameReply> {
    return this.#own.release(name);
  }

  /** The same, blocking the thread. */
  releaseNameSync(name: string): ReleaseNameReply {
    return this.#own.releaseSync(name);
  }

  /** Names that this process becomes the owner of. */
  get nameAcquired(): Observable<string> {
    return this.#own.acquired;
  }

  /** Names that this process loses. */
  get nameLost(): Observable<string> {
    return this.#own.lost;
  }

  /**
   * Signals by a rule, an object or the text of a match rule. The bus has the rule while there is a subscriber or
   * an iterator; an iterator keeps up to `bufferMax` signals for a busy reader, and then ends with `SignalsLost`.
   *
   * @throws TypeError for a rule that is not valid
   */
  signals(rule: SignalRule | string, bufferMax?: number): Stream<Signal> {
    const parsed = signalRule(rule);
    const add = (observer: Observer<Signal>): (() => void) =>
      this.#subscriptions.add(parsed, observer);
    return new Stream(add, bufferMax, () => this.settled());
  }

  /** Sends a signal to all subscribers. @throws ClientError */
  emit(signal: Broadcast): void {
    this.#driver.emit(signal);
  }

  /** Resolves when the bus has processed all that was sent to it: then subscriptions are in effect everywhere. */
  settled(): Promise<void> {
    return this.#driver.call('GetId', '', [], () => {});
  }

  /**
   * Blocks the thread until something has arrived and was dealt with: true; or `timeoutMs` (-1: no end) have passed:
   * false. A service without a loop calls it again and again; promises of its handlers are not settled meanwhile.
   */
  wait(timeoutMs: number): boolean {
    return this.#member.wait(timeoutMs);
  }

  /** Leaves the domain. Names and objects end, and pending calls are rejected with BusClosedError. */
  close(): void {
    this.#events.disconnect('close() was called');
    this.#own.complete();
    this.#subscriptions.complete();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  #callFor<T>(name: string, call: MethodCall, convert: (reply: Reply) => T): Promise<T> {
    const { calls } = this.#member;
    const known = this.#names.find(name);
    if (known !== undefined) return calls.callFor(known, call, convert);
    const { signal, timeoutMs } = call;
    const site = this.#member.tellsCallSites ? callSite() : undefined;
    const replied = this.#names.resolve(name, { signal, timeoutMs }).then((held) => {
      // The name may have changed its owner in between.
      const isLost = held.handle === undefined && this.#member.isOpen;
      return isLost ? this.#callFor(name, call, convert) : calls.callFor(held, call, convert);
    });
    return replied.catch((error: unknown) => {
      if (site === undefined) return failure(error);
      tellCallSite(error, site);
      throw error;
    });
  }

  #bodies(rule: SignalRule): Stream<readonly unknown[]> {
    const parsed = signalRule(rule);
    const add = (observer: Observer<readonly unknown[]>): (() => void) =>
      this.#subscriptions.add(parsed, {
        next: ({ body }) => observer.next(body),
        error: (error) => observer.error(error),
        complete: () => observer.complete(),
      });
    return new Stream(add, undefined, () => this.settled());
  }

  #deliver(signal: Signal): void {
    if (signal.sender === DRIVER_NAME) {
      this.#own.note(signal);
      this.#subscriptions.owners.note(signal);
      if (OWNER_SIGNALS.includes(signal.member)) this.#names.forget(String(signal.body[0]));
    }
    this.#subscriptions.deliver(signal);
  }
}

/** What arrives for a connection, at its inbox and its names. */
export class BusEvents {
  readonly objects = new ObjectTree();
  readonly signals = new Subject<Signal>();
  private readonly member: Member;

  constructor(member: Member) {
    this.member = member;
  }

  // hot
  take(call: IncomingCall): void {
    this.objects.take(call);
  }

  takeSignal(signal: Signal): void {
    this.signals.next(signal);
  }

  disconnect(reason: string): void {
    this.member.close(reason);
  }
}
