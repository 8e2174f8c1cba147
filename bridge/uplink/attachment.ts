import { Message } from '#core/index.js';
import type { Driver } from '#bridge/driver/driver.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import type { Host } from '#bridge/host/host.js';
import type { LogLevel } from '#bridge/host/host-options.js';
import type { OtherBus } from '#bridge/host/host-parts.js';
import type { Parcel } from '#bridge/peer/parcel.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { SentMessage } from '#bridge/registry/envelope.js';
import { MessageHeader } from '#bridge/wire/header.js';
import { connectToBus, type BusSocket } from '#bridge/socket/connect.js';
import { Changes } from './changes.js';
import { Composer } from './composer.js';
import { confinementOf, reachOf, type Confinement } from './confinement.js';
import { Delivery } from './delivery.js';
import { Doorkeeper } from './doorkeeper.js';
import { DriverSide } from './driver-side.js';
import { Exports } from './exports.js';
import { Gate } from './gate.js';
import { Ghosts } from './ghosts.js';
import { HeaderRewriter } from './header-rewriter.js';
import { Holds } from './hold.js';
import { Imports } from './imports.js';
import { BusLink, type LinkEvents, type ReplyTaker } from './bus-link.js';
import { Migrations } from './migrations.js';
import { MARK_PREFIX, NamePatterns } from './name-patterns.js';
import { Pinger } from './pinger.js';
import { FREE, type Access, type Uplink, type UplinkFailure } from './uplink.js';
import type { UplinkOptions } from './uplink-options.js';
import { NAME_CANNOT_CROSS, nameIn, SECOND_SPACE_PREFIX } from './unknown-names.js';
import { uplinkInterface } from './uplink-interface.js';
import { Uplinks } from './uplinks.js';
import { markOf, Watcher } from './watcher.js';

/** The delay before an attempt to reconnect doubles from RETRY_FIRST_MS up to RETRY_MAX_MS. */
const RETRY_FIRST_MS = 20;
const RETRY_MAX_MS = 500;
/** How long clients wait at startup for a bus that does not answer. */
const PATIENCE_MS = 2000;

/** The state of an attachment to another bus: our connections there, and the stand-ins for its connections here. */
export class Attachment implements OtherBus {
  readonly host: Host;
  readonly options: UplinkOptions;
  readonly driverSide = new DriverSide(this);
  readonly driverInterface = uplinkInterface(this);
  readonly uplinks = new Uplinks(this);
  readonly ghosts = new Ghosts(this);
  readonly imports = new Imports(this);
  readonly exports = new Exports(this);
  readonly changes = new Changes();
  readonly doorkeeper = new Doorkeeper(this);
  readonly migrations = new Migrations(this);
  readonly holds = new Holds(this);
  readonly delivery = new Delivery(this);
  readonly pinger = new Pinger(this);
  readonly rewriter = new HeaderRewriter();
  readonly composer = new Composer(this.rewriter, () => this.driver.registry);
  /** for messages to the other bus */
  readonly outgoing = new Message<never, never>();
  readonly scanned = new MessageHeader();
  /** the other bus is there, and its names are known */
  isUp = false;
  takesDescriptors = true;

  gate: Gate | undefined;
  watcher: Watcher | undefined;
  private deferred: (() => void)[] = [];
  private retryMs = RETRY_FIRST_MS;
  private reason = 'it has not been reached yet';
  private isClosed = false;
  /** called once, when the first attempt to reach the other bus has succeeded or failed */
  private onSettled: (() => void) | undefined;

  constructor(host: Host, options: UplinkOptions) {
    this.host = host;
    this.options = options;
    this.imports.patterns = new NamePatterns(options.imports);
    this.exports.patterns = new NamePatterns(options.exports);
  }

  get driver(): Driver {
    return this.host.driver;
  }

  get address(): string {
    return this.options.address;
  }

  /**
   * Connects, and tries again until it succeeds. Calls `settled` once: when the imported names are known, when the
   * first attempt has failed, or after PATIENCE_MS.
   */
  start(settled: () => void): void {
    this.onSettled = settled;
    this.gate = new Gate(this);
    this.host.at(performance.now() + PATIENCE_MS, () => this.settled());
    this.reach();
  }

  close(): void {
    this.isClosed = true;
    this.watcher?.link.close();
    this.doorkeeper.close();
    this.uplinks.closeAll();
  }

  isGreeting(connection: Connection): boolean {
    return this.uplinks.isGreeting(connection);
  }

  /** Runs `action` once no transaction is under way. */
  defer(action: () => void): void {
    this.deferred.push(action);
    this.host.isUnsettled = true;
  }

  /** Runs the deferred actions. */
  run(): void {
    while (this.deferred.length > 0) {
      const { deferred } = this;
      this.deferred = [];
      for (const action of deferred) action();
    }
  }

  connect(): BusSocket | string {
    return connectToBus(this.options.address);
  }

  newLink(socket: BusSocket, events: LinkEvents): BusLink {
    return new BusLink(this.host, socket, events);
  }

  /** Calls a method of the other bus as the bridge. */
  ask(member: string, signature: string, body: readonly unknown[], taker: ReplyTaker): void {
    if (this.watcher === undefined) taker(undefined, null);
    else this.watcher.link.call(member, signature, body, taker);
  }

  /** Calls back after every earlier event of the other bus has been processed. */
  catchUp(done: () => void): void {
    this.ask('GetId', '', [], (reply) => {
      if (reply !== undefined) done();
    });
  }

  /** The same, after everything that these events changed has been announced here. */
  whenTold(done: () => void): void {
    this.catchUp(() => this.changes.add(done, []));
  }

  /** Calls back when it is known whether the other bus as a whole is gone; if so, after that was announced here. */
  whenSure(done: () => void): void {
    this.ask('GetId', '', [], () => this.defer(done));
  }

  /** Why a client may not connect to the other bus; undefined if it may. */
  mayConnect({ connection, access: { reach, confinement } }: Uplink): UplinkFailure | undefined {
    if (!this.isUp) return this.unreachable(this.reason);
    if (connection === undefined || confinement === undefined || reach?.isEmpty === false)
      return undefined;
    return this.refusalOf(connection, confinement);
  }

  /** The error for a confined client, which must not pass for the bridge on the other bus. */
  refusalOf({ uniqueName }: Connection, { key, text }: Confinement): UplinkFailure {
    return {
      errorName: ErrorName.AccessDenied,
      text:
        `${uniqueName} may not talk to the bus at ${this.address}, where it would have the bridge's credentials: ` +
        `${text}; to allow it, attach the bridge with --allow-confined ${key}`,
    };
  }

  /** What a client may reach on the other bus. `reach` undefined: everything. */
  accessOf({ credentials }: Connection): Access {
    const confinement = confinementOf(credentials, this.host.options.uid);
    if (confinement === undefined) return FREE;
    return { confinement, reach: reachOf(confinement, this.options.grants) };
  }

  /**
   * Whether a client may speak to, and ask about, a connection of the other bus by its unique name. A confined
   * client may do so only after that connection has spoken to it.
   */
  mayAddress(name: string, client: Connection): boolean {
    if (!this.isUp || this.uplinks.isOurs(name) || this.ghosts.isGhost(client)) return false;
    return this.accessOf(client).confinement === undefined;
  }

  /** Whether a client has a unique name that the other bus does not know. */
  // hot
  get hasUnknownNames(): boolean {
    return this.driver.hasGivenNames;
  }

  /** Why a message may not go to the other bus. `alias`: the unique name of a sender that has another one there. */
  crossingFailure(header: MessageHeader, alias: Uint8Array | null): UplinkFailure | undefined {
    const { numbered } = this.driver.registry;
    const isClient = (number: number): boolean => numbered.has(number);
    const own = alias === null ? undefined : nameIn(header, alias, isClient);
    const name = own ?? nameIn(header, SECOND_SPACE_PREFIX, isClient);
    if (name === undefined) return undefined;
    const text =
      `The message contains the unique name ${name}, which does not exist on the bus at ${this.address}: ` +
      'that client may have no connection there (attach with --allow-confined), ' +
      'or connected while that bus did not answer, or before that bus was restarted';
    return { errorName: NAME_CANNOT_CROSS, text };
  }

  unreachable(reason: string): UplinkFailure {
    const text = `The bus at ${this.address} cannot be reached: ${reason}; the bridge keeps trying to reconnect`;
    return { errorName: ErrorName.ServiceUnknown, text };
  }

  /** Why attaching to the bus with this `guid` would form a loop; undefined if it would not. */
  loopOf(guid: string): string | undefined {
    if (guid === this.host.options.guid) return 'it is this bridge itself';
    const isAttachedHere = this.driver.registry.owner(MARK_PREFIX + markOf(guid)) !== undefined;
    return isAttachedHere ? 'it is itself attached to this bridge' : undefined;
  }

  /** The other bus has answered the Hello of the watcher's connection. */
  greeted({ hasUnixFds }: BusLink): void {
    this.takesDescriptors = hasUnixFds;
    if (this.gate !== undefined) this.gate.peer.takesDescriptors = hasUnixFds;
  }

  /** The names of the other bus are known. */
  synchronised(): void {
    this.isUp = true;
    this.retryMs = RETRY_FIRST_MS;
    this.log('info', 'attached to the other bus', {
      address: this.address,
      ghosts: this.ghosts.size,
    });
    this.exports.restore(true);
    this.doorkeeper.review();
    for (const uplink of this.uplinks.all()) if (!uplink.rules.isEmpty) uplink.open();
    this.settled();
  }

  /** The other bus is gone, or could not be reached: removes all ghosts, and tries to connect again. */
  lost(reason: string): void {
    if (this.isUp) this.log('warn', 'the other bus is gone', { address: this.address, reason });
    else if (this.reason !== reason)
      this.log('warn', 'the other bus cannot be reached', { address: this.address, reason });
    this.isUp = false;
    this.reason = reason;
    this.watcher = undefined;
    this.doorkeeper.close();
    this.changes.clear();
    this.imports.clear();
    this.ghosts.departAll();
    /* its calls end after that, as on one bus */
    for (const uplink of this.uplinks.all()) uplink.suspend(reason);
    this.migrations.abort(reason);
    this.host.at(performance.now() + this.retryMs, () => this.reach());
    this.retryMs = Math.min(this.retryMs * 2, RETRY_MAX_MS);
    this.settled();
  }

  /** The uplink was closed. If the other bus still answers, it has closed this connection only. */
  uplinkLost(uplink: Uplink, reason: string): void {
    if (uplink.claims.size === 0) return;
    this.ask('GetId', '', [], (reply) => {
      if (reply !== undefined) this.exports.uplinkLost(uplink, reason);
    });
  }

  /** A connection has left the other bus. */
  left(farName: string): void {
    this.imports.forget(farName);
    if (this.ghosts.find(farName) === null) return;
    this.changes.add(() => this.ghosts.depart(farName), [(met) => this.hearOut(farName, met)]);
  }

  /** Calls back when everything that this connection of the other bus has sent so far has been delivered. */
  hearOut(farName: string, done: () => void): void {
    const listening = this.listenersTo(farName).filter((uplink) => uplink.link?.isReady === true);
    let missing = listening.length;
    if (missing === 0) return done();
    for (const uplink of listening) {
      uplink.hearOut(farName, () => {
        missing--;
        if (missing === 0) done();
      });
    }
  }

  /** The uplinks on which a message from this connection of the other bus may be under way. */
  private listenersTo(farName: string): Uplink[] {
    const audience = this.ghosts.find(farName)?.audience ?? [];
    const all = this.imports.isOwner(farName) ? this.uplinks.all() : [];
    return [...new Set([...audience, ...all.filter(({ rules }) => !rules.isEmpty)])];
  }

  /** Ends a client's message that cannot be passed on. Its sender is told if it waits for a reply. */
  refuseParcel(parcel: Parcel, errorName: string, text: string): void {
    if (parcel.reply === null) parcel.drop();
    else parcel.refuse(this.driver, errorName, text);
  }

  /** Replaces the patterns of imported and exported names. Calls back when the bridge knows who owns the names. */
  setPatterns(imports: NamePatterns, exports: NamePatterns, done: () => void): void {
    this.imports.setPatterns(imports);
    this.exports.setPatterns(exports);
    this.doorkeeper.review();
    this.gate?.closeAll();
    const { connections } = this.driver.registry;
    for (const { number } of connections.values()) this.uplinks.of(number)?.rules.review();
    if (this.isUp && this.watcher !== undefined) this.watcher.refresh(done);
    else done();
  }

  /** The list of services that the other bus can start has changed. */
  activatableChanged(): void {
    this.driver.broadcast('ActivatableServicesChanged', '', []);
  }

  /** The list of services that can be started here has changed. */
  servicesChanged(): void {
    this.defer(() => this.doorkeeper.review());
  }

  /** A client's broadcast: passed on to the other bus if the client owns an exported name. */
  emitted(connection: Connection, message: SentMessage): void {
    const uplink = this.uplinks.find(connection);
    if (uplink !== undefined && uplink.claims.size > 0) uplink.outbound.emit(message);
  }

  log(level: LogLevel, message: string, fields: Record<string, unknown>): void {
    this.host.log(level, message, fields);
  }

  private reach(): void {
    if (this.isClosed) return;
    const socket = this.connect();
    if (typeof socket === 'string') this.lost(socket);
    else this.watcher = new Watcher(this, socket);
  }

  private settled(): void {
    const { onSettled } = this;
    this.onSettled = undefined;
    onSettled?.();
  }
}
