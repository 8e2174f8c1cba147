import { emptyList } from '#core/stable-shape.js';
import {
  LocalDomain,
  Message,
  type DescriptorSet,
  type ResourceUser,
  type Trace,
} from '#core/index.js';
import { EventFd, MessageSender, setRunLater, viewsMade } from '#core/linux/index.js';
import type { Activator } from '#bridge/activation/activator.js';
import type { Driver } from '#bridge/driver/driver.js';
import { Witness } from '#bridge/driver/witness.js';
import { Incoming } from '#bridge/peer/incoming.js';
import type { Directory } from '#bridge/registry/directory.js';
import { Denials } from '#bridge/registry/denials.js';
import { Envelope } from '#bridge/registry/envelope.js';
import { Grants } from '#bridge/registry/grants.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import type { Facet } from '#policy/index.js';

import { Arena } from './arena.js';
import { internalError } from './blame.js';
import { ControlInbox } from './control-inbox.js';
import { Deadlines } from './deadlines.js';
import { Entrance } from './entrance.js';
import { rejected, type Verdict } from './foreign-messages.js';
import { Handshake } from './handshake.js';
import { HostDomain } from './host-domain.js';
import type { HostOptions, HostOutput, LogLevel } from './host-options.js';
import type { HostParts, OtherBus } from './host-parts.js';
import { LargeBuffers } from './large-buffers.js';
import { LogBudget, type LogFields } from './log-budget.js';
import { ADMISSION, Lookup } from './node-contexts.js';
import type { ArrivedMessage, ShimMessage, ShimNode } from './node-contexts.js';
import { LocalRegistry } from './local-registry.js';
import { gatherArea, type OutboxShared } from './outbox.js';
import { logAllowed } from './refusals.js';
import { Poller, type Endpoint } from './poller.js';
import { RemoteRegistry } from './remote-registry.js';
import { MemoryReturn } from './memory-return.js';
import { ReplyDeadlines } from './reply-deadlines.js';
import { ReceiveWindow } from './receive-window.js';
import type { RegistryAccess } from './registry-access.js';
import { ReloadRequests } from './bus-settings.js';
import { Rest } from './rest.js';
import { Shim } from './shim.js';
import { Spreader } from './spreader.js';
import type { HostRequest } from './thread-messages.js';
import { Effort } from './turn-share.js';
import { Users } from './users.js';
import { Waking } from './waking.js';

/**
 * After so many views of memory, Node's event loop has a turn (`viewsMade`). Memory that other processes share is
 * mapped and viewed for each channel, each larger ring and each segment.
 */
const VIEWS_MAX = 1024;

/** Limit for the passes of `readInOrder`, so that clients that write without a pause do not hold back replies. */
const PASSES_MAX = 4;

/** A connection whose outbox is written at the end of a turn in which it grew. */
interface Flushable {
  isDirty: boolean;
  readonly live: boolean;
  flush(): void;
}

/**
 * The data plane: one thread, one epoll loop, many peers. A turn reads every readable socket once, lets
 * the messages travel through the core, and then writes every outbox that grew once.
 */
export class Host {
  readonly options: HostOptions;
  readonly parts: HostParts;
  readonly domain = new LocalDomain();
  readonly arena: Arena;
  readonly window: ReceiveWindow;
  readonly outboxes: OutboxShared;
  readonly grants: Grants;
  readonly registry: RegistryAccess;
  /** the membership in a shared domain; null: no other process can hold handles to nodes of this one */
  readonly peers: HostDomain | null;
  readonly reloads = new ReloadRequests(() => this.ask({ type: 'reload-config' }));
  readonly denials = new Denials();
  readonly deadlines = new Deadlines();
  readonly effort = new Effort();
  readonly memoryReturn = new MemoryReturn(() => this.outboxes, this.deadlines);
  private readonly rest: Rest;
  readonly entrance: Entrance;
  private readonly replyDeadlines = new ReplyDeadlines(this.deadlines);
  limits: HostOptions['limits'];

  /** The one message that is under way, its header, and the descriptors that it claimed. */
  readonly message: ShimMessage;
  readonly envelope = new Envelope();
  /** what has arrived last from another process */
  readonly incoming = new Incoming();
  readonly control: ShimMessage = new Message();
  descriptors: DescriptorSet | null = null;
  /** something waits for `settle` */
  isUnsettled = false;
  /** an operation is under way: what arrives meanwhile is settled after it */
  private isOccupied = true;
  /** messages that had to be compared with policy rules */
  facetChecks = 0;

  private readonly output: HostOutput;
  readonly diagnostics: LogBudget;
  private readonly users = new Users();
  readonly poller: Poller = new Poller((endpoint, error) => this.failed(endpoint, error));
  private readonly wakeup = new EventFd();
  private readonly controlInbox = new ControlInbox(this);
  private readonly dirty = emptyList<Flushable>();
  private dirtyCount = 0;
  private readonly shims = new Set<Shim>();
  readonly waking = new Waking();
  readonly witness = new Witness(() => this.directory);
  private readonly here: LocalRegistry | null = null;
  private isStopping = false;
  private isPaused = false;
  private isDwindling = false;

  constructor(options: HostOptions, parts: HostParts, output: HostOutput) {
    this.options = options;
    this.parts = parts;
    this.output = output;
    this.diagnostics = new LogBudget(
      (level, message, fields) => output.log(level, message, fields),
      this.deadlines,
    );
    setRunLater((delayMs, action) => this.deadlines.add(performance.now() + delayMs, action));
    this.limits = options.limits;
    this.rest = new Rest(this.poller, this.memoryReturn, options.lookUs);
    this.entrance = new Entrance(this);
    this.arena = new Arena(options.arenaBytes);
    this.message = new Message(gatherArea(this.arena));
    this.window = new ReceiveWindow(this.arena, () => this.flushAll());
    const { arena, window } = this;
    this.outboxes = { arena, window, large: new LargeBuffers(), sender: new MessageSender() };
    this.grants = new Grants(options.rules);
    const { domain, hostCount = 1 } = options;
    if (domain !== undefined && 'fd' in domain) {
      this.peers = HostDomain.join(this, domain.fd);
      this.registry = new RemoteRegistry(this, this.peers);
    } else {
      this.here = new LocalRegistry(this, () => this.controlInbox.run());
      this.registry = this.here;
      this.peers =
        domain === undefined ? null : HostDomain.found(this, this.here, domain.listenFds);
    }
    this.isOccupied = false;
    this.poller.watch({ fd: this.wakeup.fd, readable: () => this.awake() });
    if (this.here !== null && hostCount > 1)
      this.entrance.spreader = new Spreader(this, this.here.driver);
    const listen = (): void => {
      for (const fd of options.listenFds) this.entrance.listen(fd);
    };
    if (this.attachment === null) listen();
    else this.attachment.start(listen);
  }

  /** Writing to this descriptor makes the loop read its messages from the control plane. */
  get wakeupFd(): number {
    return this.wakeup.fd;
  }

  /**
   * Runs until `stop`, and returns true. Returns false when Node's event loop has to have a turn: after `pause`, or
   * when it has to free what belonged to views of memory. To be called again then.
   */
  run(): boolean {
    this.isPaused = false;
    const viewsMax = viewsMade() + VIEWS_MAX;
    while (!this.isStopping && !this.isPaused && viewsMade() < viewsMax) this.turn();
    if (!this.isStopping) return false;
    this.flushAll();
    for (const shim of this.shims) this.close(shim, undefined);
    this.settle();
    this.here?.close();
    this.bury();
    this.peers?.close();
    return true;
  }

  /** Applies new rules and limits to all connections, present and future. */
  reload(rules: HostOptions['rules'], limits: HostOptions['limits']): void {
    this.limits = limits;
    this.registry.reload(rules);
    this.entrance.review(this.shims);
    this.memoryReturn.noteBurst();
  }

  stop(): void {
    this.isStopping = true;
  }

  pause(): void {
    this.isPaused = true;
  }

  /** Takes no more clients, and stops when the last has gone. */
  dwindle(): void {
    this.entrance.close();
    this.isDwindling = true;
    if (this.shims.size === 0) this.stop();
  }

  // hot
  private turn(): void {
    const { deadlines, waking } = this;
    this.effort.beginTurn();
    if (this.hasWork) this.poller.serve(this.poller.wait(0));
    else this.rest.run(this.peers);
    this.poller.resume(this.effort);
    if (!deadlines.isEmpty) deadlines.runDue(performance.now());
    if (this.isUnsettled) this.settle();
    while (!waking.isEmpty) waking.run();
    if (this.poller.isStale && this.dirtyCount > 0) this.readInOrder();
    this.flushAll();
    this.window.rewind();
    this.bury();
  }

  /** Clients may act at once on what is flushed next: clears stale readiness first, so that input is read in order. */
  private readInOrder(): void {
    for (let i = 0; i < PASSES_MAX && this.poller.isStale; i++) {
      this.poller.serve(this.poller.wait(0));
      if (this.isUnsettled) this.settle();
      while (!this.waking.isEmpty) this.waking.run();
    }
  }

  private get hasWork(): boolean {
    return this.isUnsettled || !this.waking.isEmpty || this.poller.hasUnfinished;
  }

  /** Lets driver, registry and shims process what has arrived for them, until nothing is left. */
  settle(): void {
    const wasOccupied = this.isOccupied;
    this.isOccupied = true;
    try {
      while (this.isUnsettled) {
        this.isUnsettled = false;
        this.controlInbox.run();
        this.registry.run();
        this.controlInbox.tellUnanswered();
      }
    } finally {
      this.isOccupied = wasOccupied;
    }
  }

  // hot
  markDirty(connection: Flushable): void {
    connection.isDirty = true;
    this.dirty[this.dirtyCount++] = connection;
  }

  // hot
  private flushAll(): void {
    /* a flush that finds a broken pipe may make other outboxes grow */
    for (let i = 0; i < this.dirtyCount; i++) {
      const connection = this.dirty[i];
      if (connection === undefined) break;
      connection.isDirty = false;
      if (connection.live) connection.flush();
    }
    this.dirtyCount = 0;
    if (this.isUnsettled) this.settleAndFlush();
  }

  private settleAndFlush(): void {
    this.settle();
    if (this.dirtyCount > 0) this.flushAll();
  }

  // hot
  permits(facet: Facet, header: MessageHeader, sender = this.envelope.senderNumber): boolean {
    this.facetChecks++;
    const isAllowed = facet.check(header);
    if (isAllowed && facet.lastRule !== undefined) logAllowed(this, facet.lastRule, header, sender);
    return isAllowed;
  }

  /** Whether it is this process, or another host of this bus. */
  // hot
  isOurs(process: number): boolean {
    return process === 0 || this.peers?.isTrusted(process) === true;
  }

  /** A control message for one of our peers: its bytes are kept, and read after the current operation. */
  acceptControl(shim: Shim, node: ShimNode, message: ArrivedMessage, trace: Trace): void {
    trace.discharge(1, message.lengthBytes, 0);
    this.controlInbox.accept(shim, node, message);
    this.isUnsettled = true;
  }

  /** Notes a message from another process that is not passed on; those concerned learn it after the operation. */
  reject(
    shim: Shim,
    node: ShimNode,
    message: ArrivedMessage,
    trace: Trace,
    verdict: Verdict,
  ): void {
    const descriptors = message.descriptors === null ? 0 : message.descriptors.count;
    trace.discharge(1, message.lengthBytes, descriptors);
    const { envelope } = this.incoming;
    this.controlInbox.reject(rejected(shim, node, message, verdict, envelope));
    this.isUnsettled = true;
  }

  /** What `shim` waited for has arrived: it continues within this turn. */
  continueWith(shim: Shim): void {
    if (!shim.isWaiting) return;
    shim.answered();
    this.waking.add(shim);
  }

  /** For a message that is being sent, so other input is settled later. False: there are no other processes. */
  refreshQuotas(): boolean {
    const wasOccupied = this.isOccupied;
    this.isOccupied = true;
    try {
      return this.peers !== null && this.peers.shared.dispatch() >= 0;
    } finally {
      this.isOccupied = wasOccupied;
    }
  }

  /** Settles what an entry of another process leads to, before the next one is read. False: it leads to nothing. */
  // hot
  afterEntry(): boolean {
    const isDue = this.isUnsettled && !this.isOccupied;
    if (isDue) this.settle();
    return isDue;
  }

  /** The registry will not answer the request of `shim` whose reply node is `node`. */
  lostRegistry(shim: Shim, { context }: ShimNode): void {
    if (context instanceof Lookup) {
      context.isAnswered = true;
      this.continueWith(shim);
    } else if (context === ADMISSION) {
      this.controlInbox.refused(shim);
      this.isUnsettled = true;
    }
  }

  /** A name leads to another node: senders with a cached destination ask the registry again. */
  forgetName(name: string): void {
    const bytes = Buffer.from(name, 'latin1');
    for (const shim of this.shims) shim.forgetName(bytes);
  }

  /** Ends the wait for a reply at this node after reply_timeout. */
  limitWaiting(shim: Shim, reply: ShimNode): void {
    this.replyDeadlines.add(shim, reply, performance.now() + this.limits.replyTimeoutMs);
  }

  /** A call of this client will not be answered; the client gets NoReply after the current operation. */
  noReply(shim: Shim, serial: number): void {
    this.controlInbox.noReply(shim, serial);
    this.isUnsettled = true;
  }

  /** Puts a message of the bus itself into a client's outbox. */
  sendOwn(shim: Shim, bytes: Uint8Array): void {
    if (!shim.live) return;
    if (this.directory.isObserved) this.witness.show(bytes);
    shim.backlog.appendOwn(bytes);
  }

  dropDescriptors(): void {
    this.descriptors?.drop();
    this.descriptors = null;
  }

  /** The resources of one user. Connections without credentials share those of "nobody". */
  userOf(uid: number): ResourceUser {
    return this.users.of(uid, this.limits);
  }

  allUsers(): Iterable<ResourceUser> {
    return this.users.all();
  }

  get directory(): Directory {
    return this.registry.directory;
  }

  /** Only in the process of the registry. */
  get driver(): Driver {
    return this.registryHere.driver;
  }

  get activator(): Activator {
    return this.registryHere.activator;
  }

  /** @throws Error when it is in another process */
  get registryHere(): LocalRegistry {
    if (this.here === null) throw new Error('the registry is in another process');
    return this.here;
  }

  /** The other bus that this one is attached to, if any. */
  get attachment(): OtherBus | null {
    return this.here === null ? null : this.here.attachment;
  }

  get isRegistryHere(): boolean {
    return this.here !== null;
  }

  /** A connection that has authenticated becomes a peer. */
  adopt(shim: Shim): void {
    this.shims.add(shim);
    this.poller.replace(shim);
  }

  /** Ends a connection; `reason` undefined: the client closed it. */
  close(shim: Shim, reason: string | undefined): void {
    if (!shim.live) return;
    if (reason !== undefined) {
      this.diagnostics.report(shim.connection, 'notice', `connection closed: ${reason}`);
    }
    this.shims.delete(shim);
    if (this.isDwindling && this.shims.size === 0) this.stop();
    this.entrance.lobby.leave(shim.fd);
    shim.close();
    this.registry.left(shim);
    this.poller.close(shim.fd, shim.inflow.hasEnded);
    shim.credentials.close();
  }

  log(level: LogLevel, message: string, fields: LogFields = {}): void {
    const { uid } = fields;
    this.diagnostics.log(level, message, typeof uid === 'number' ? uid : undefined, () => fields);
  }

  /** Runs `action` at a time of the monotonic clock; returns a function that cancels it. */
  at(timeMs: number, action: () => void): () => void {
    const deadline = this.deadlines.add(timeMs, action);
    return () => this.deadlines.cancel(deadline);
  }

  /** Connections that have authenticated. */
  get connected(): ReadonlySet<Shim> {
    return this.shims;
  }

  /** Asks the control plane for something. */
  ask(request: HostRequest): void {
    this.output.ask(request);
  }

  private awake(): void {
    this.wakeup.drain();
    this.output.commands(this);
  }

  /** An internal error ends the one connection that caused it; inside a transaction it ends the host. */
  private failed(endpoint: Endpoint, error: unknown): void {
    if (!this.domain.isIdle) throw error;
    const reason = internalError(error);
    this.dropDescriptors();
    if (endpoint instanceof Shim) this.close(endpoint, reason);
    else if (endpoint instanceof Handshake) this.entrance.failed(endpoint, error);
    else if (endpoint.fail !== undefined) endpoint.fail(reason);
    else throw error;
  }

  private bury(): void {
    if (this.poller.bury()) this.entrance.lobby.endShortage();
  }
}
