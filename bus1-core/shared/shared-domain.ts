import type { Handle } from '../handle.js';
import {
  connectUnix,
  Epoll,
  EPOLLET,
  EPOLLIN,
  EPOLLRDHUP,
  FutexResult,
  FutexWaiters,
  SystemError,
  watchReadable,
  type LoopWatch,
} from '../linux/index.js';
import type { LocalDomain } from '../local/domain.js';
import type { Peer } from '../peer.js';
import type { Maxima } from '../quota.js';
import { Channel } from './channel.js';
import { monotonicNs } from './clock.js';
import { Connection } from './connection.js';
import {
  parseAuthorityMessage,
  type AuthorityMessage,
  type ChannelMessage,
} from './control-messages.js';
import { ControlSocket } from './control-socket.js';
import { GrantTable } from './grants.js';
import { Introductions } from './introductions.js';
import { PROTOCOL_VERSION, ReferenceFlag, ROOT_ID, SleepMode } from './layout.js';
import { LinkInput, type InputContext } from './link-input.js';
import { Link, type LinkContext, type ProcessIdentity } from './link.js';
import { Merge, type MergeContext } from './merge.js';
import { OwnPage } from './page.js';
import { ChannelError } from './protocol-error.js';
import { RemoteTransaction } from './transaction.js';

export interface JoinOptions {
  /** the peers of this process */
  readonly local: LocalDomain;
  /** what each user of this process may have charged to it by peers of other processes */
  readonly maxima: Maxima;
  /** only for the process of the authority: its node is what every other member gets a handle to */
  readonly root?: Handle;
  /** told once why a channel was closed, or an introduction failed */
  readonly onDiagnostic?: (text: string) => void;
  /**
   * Runs `flush` soon, when something was given back outside `dispatch`. A host whose loop calls
   * `beforeSleep` each turn
   * needs none; by default a microtask does it.
   */
  readonly schedule?: (flush: () => void) => void;
  /** how long `wait` looks for something before it sleeps, in us; 0 by default: it burns a core meanwhile */
  readonly spinUs?: number;
}

/** What has happened, and what there is, between this process and others. */
export interface SharedCounters {
  readonly channels: number;
  readonly entriesWaiting: number;
  /** entries written to other processes, and taken from them */
  readonly sent: number;
  readonly delivered: number;
  readonly wakeupsSent: number;
  readonly channelsBroken: number;
}

/** A synchronous wait looks after its sockets this often: nothing else tells it that the other process has died. */
const WAIT_SLICE_NS = 1e9;

/**
 * The part of a domain across processes that is in this one (docs/shared-domain.md). Its peers are those of
 * `local`; what
 * they send to a node of another process goes through a `Link`. Nothing happens by itself: `dispatch` takes what has
 * arrived, `fd` says when to call it, and `beforeSleep` must come before any sleep.
 */
export class SharedDomain implements LinkContext, InputContext, MergeContext {
  readonly local: LocalDomain;
  readonly transaction: RemoteTransaction;
  readonly grants: GrantTable;
  /** of this process in the domain; 0 until it has been admitted */
  id = 0;
  private readonly options: JoinOptions;
  private readonly page = new OwnPage();
  private readonly epoll = new Epoll();
  private readonly control: ControlSocket;
  private readonly introductions: Introductions;
  private readonly merge = new Merge(this);
  private readonly waiters = new FutexWaiters();
  private readonly links = new Map<number, Link>();
  private readonly connectionsByFd = new Map<number, Connection>();
  private connections: readonly Connection[] = [];
  private readonly gone = new Set<number>();
  private readonly unflushed = new Set<Link>();
  private rootProcess = -1;
  private rootHandle: Handle | null = null;
  private isFlushScheduled = false;
  private isOpen = true;
  private delivered = 0;
  private channelsBroken = 0;

  private constructor(control: ControlSocket, options: JoinOptions) {
    this.options = options;
    this.control = control;
    this.local = options.local;
    this.grants = new GrantTable(options.local);
    this.transaction = new RemoteTransaction(this.page);
    this.introductions = new Introductions(control);
    this.local.remote = this.transaction;
    this.epoll.add(control.fd, EPOLLIN);
  }

  /**
   * Asks the authority that listens at `path`, or is at the other end of the socket `fd`, to be admitted. That takes a
   * few turns of `dispatch`; `awaitRoot` waits for it.
   *
   * @throws SystemError
   */
  static join(pathOrFd: string | number, options: JoinOptions): SharedDomain {
    const fd = typeof pathOrFd === 'string' ? connectUnix(pathOrFd) : pathOrFd;
    const domain = new SharedDomain(new ControlSocket(fd), options);
    const hello = { kind: 'hello', version: PROTOCOL_VERSION, maxima: options.maxima };
    domain.control.send(hello, [domain.page.fd]);
    return domain;
  }

  /** Readable when `dispatch` has something to do. */
  get fd(): number {
    return this.epoll.fd;
  }

  /** True once this process has been admitted and holds the root handle, if the domain has one. */
  get isReady(): boolean {
    return this.id !== 0 && (this.rootProcess === 0 || this.rootHandle !== null);
  }

  /**
   * How long a sleep may last at most, in ms; -1 without end. Other than that only while an introduction is
   * awaited.
   */
  get timeoutMs(): number {
    return this.introductions.timeoutMs;
  }

  /** A handle to the domain's root node, held by `to`. @throws Error before `isReady`, or when there is no root */
  copyRoot(to: Peer): Handle {
    if (this.rootHandle === null) throw new Error('the domain has no root node, or not yet');
    return this.grants.peer.copyHandle(this.rootHandle, to);
  }

  /** Waits, up to `timeoutMs`, until `isReady`; returns that. Not in the process of the authority. */
  awaitReady(timeoutMs: number): boolean {
    const deadline = performance.now() + timeoutMs;
    while (!this.isReady && this.control.open) {
      const leftMs = Math.ceil(deadline - performance.now());
      if (leftMs <= 0) break;
      this.handleEvents(this.epoll.wait(leftMs));
    }
    return this.isReady;
  }

  /** Takes what has arrived, without waiting. Returns how many entries were delivered, and processes found gone. */
  dispatch(): number {
    if (!this.isOpen) return 0;
    this.page.wake();
    for (let count = this.epoll.wait(0); count > 0; count = this.epoll.wait(0)) {
      this.handleEvents(count);
    }
    const delivered = this.drain() + this.closeHungUp();
    this.flush();
    return delivered;
  }

  /**
   * Makes others wake this process. True when something has arrived meanwhile: then `dispatch` must be called
   * again.
   */
  beforeSleep(): boolean {
    if (!this.isOpen) return false;
    this.flush();
    return this.sleep(SleepMode.Doorbell);
  }

  /**
   * Waits, blocking the thread, until something was delivered or `timeoutMs` (-1 without end) have passed. Returns how
   * many entries were delivered.
   */
  wait(timeoutMs: number): number {
    let deadlineNs = timeoutMs < 0 ? Infinity : -1;
    while (this.isOpen) {
      const delivered = this.drain() + this.closeHungUp();
      if (delivered > 0) return delivered;
      for (const { link } of this.connections) link.flush(true);
      const nowNs = monotonicNs();
      if (deadlineNs < 0) deadlineNs = nowNs + timeoutMs * 1e6;
      if (nowNs >= deadlineNs) return 0;
      const { spinUs = 0 } = this.options;
      if (spinUs > 0 && this.spinUntil(nowNs + spinUs * 1e3)) continue;
      this.sleepInFutex(Math.min(deadlineNs, nowNs + WAIT_SLICE_NS));
    }
    return 0;
  }

  /** Lets Node's own loop call `dispatch`, until the returned watch is closed. */
  attach(onDelivered?: () => void): LoopWatch {
    let timer: NodeJS.Timeout | undefined;
    const turn = () => {
      if (!this.isOpen) return;
      let delivered = 0;
      do delivered += this.dispatch();
      while (this.beforeSleep());
      clearTimeout(timer);
      if (this.timeoutMs >= 0) timer = setTimeout(turn, this.timeoutMs);
      if (delivered > 0) onDelivered?.();
    };
    const watch = watchReadable(this.fd, turn);
    turn();
    return watch;
  }

  /** Reports what was given back and sends what waited for room. */
  flush(): void {
    this.isFlushScheduled = false;
    this.unflushed.clear();
    for (const { link } of this.connections) link.flush();
  }

  /** Who a process with a channel to this one is; undefined without a channel. */
  identityOf(process: number): ProcessIdentity | undefined {
    const link = this.links.get(process);
    return link === undefined || link.channel === null ? undefined : link.identity;
  }

  get counters(): SharedCounters {
    let entriesWaiting = 0;
    let wakeupsSent = 0;
    let sent = 0;
    for (const link of this.links.values()) sent += link.outbox.opened;
    for (const { link, channel } of this.connections) {
      entriesWaiting += link.outbox.waitingCount;
      wakeupsSent += channel.wakeups;
    }
    const { delivered, channelsBroken } = this;
    const channels = this.connections.length;
    return { channels, entriesWaiting, sent, delivered, wakeupsSent, channelsBroken };
  }

  /** Peers, nodes and handles of the local domain, without those that stand for other processes. */
  counts(): { peers: number; nodes: number; handles: number } {
    const proxies = { peers: 1, nodes: 0, handles: 0 }; // 1: that of the grants, which holds the root handle
    for (const link of this.links.values()) if (link.isOpen) link.count(proxies);
    const { firstHandle } = this.grants.peer;
    for (let handle = firstHandle; handle !== null; handle = handle.nextOwned) proxies.handles++;
    const { peers, nodes, handles } = this.local.counters;
    return {
      peers: peers - proxies.peers,
      nodes: nodes - proxies.nodes,
      handles: handles - proxies.handles,
    };
  }

  /** Leaves the domain: for all others this process is gone. Peers of `local` are told as if all others were. */
  close(): void {
    if (!this.isOpen) return;
    this.flush();
    this.isOpen = false;
    for (const connection of this.connections) this.closeConnection(connection);
    for (const link of this.links.values()) link.close();
    this.links.clear();
    this.grants.peer.close();
    this.local.remote = null;
    this.control.close();
    this.epoll.close();
    this.page.close();
  }

  // What links, their input and the merge ask for.

  needsFlush(link: Link): void {
    this.unflushed.add(link);
    if (this.isFlushScheduled) return;
    this.isFlushScheduled = true;
    (this.options.schedule ?? queueMicrotask)(() => this.isOpen && this.flush());
  }

  linkTo(process: number): Link | undefined {
    const link = this.links.get(process);
    return link === undefined || (link.isOpen && link.channel === null) ? undefined : link;
  }

  placeholderFor(process: number): Link {
    let link = this.links.get(process);
    if (link === undefined) {
      const { maxima } = this.options;
      link = new Link(
        { id: process, uid: -1, pid: 0, namesAccounts: false, isTrusted: false, maxima },
        this,
      );
      this.links.set(process, link);
      if (this.gone.has(process) || !this.control.open) link.close();
    }
    return link;
  }

  isBacklogged(process: number): boolean {
    const channel = this.links.get(process)?.channel;
    return channel !== null && channel !== undefined && channel.reader.isBacklogged;
  }

  isGone(process: number): boolean {
    return this.gone.has(process);
  }

  get maxima(): Maxima {
    return this.options.maxima;
  }

  get isHolding(): boolean {
    return this.introductions.isHolding;
  }

  take(connection: Connection): boolean {
    const stranger = connection.input.strangerInNext();
    if (stranger !== 0 && !this.isKnown(stranger)) return false;
    return connection.input.take();
  }

  fail(connection: Connection, error: unknown): void {
    if (!(error instanceof ChannelError || error instanceof SystemError)) throw error;
    const { id, pid, uid } = connection.link.identity;
    this.channelsBroken++;
    this.diagnose(`channel to process ${id} (pid ${pid}, uid ${uid}) closed: ${error.message}`);
    this.closeConnection(connection);
  }

  private drain(): number {
    this.introductions.beginTurn();
    const delivered = this.merge.run(this.connections);
    this.delivered += delivered;
    return delivered;
  }

  /** Announces the sleep, then looks once more: whoever writes after that look sees the announcement. */
  private sleep(mode: SleepMode): boolean {
    this.page.sleep(mode);
    if (this.isHolding || !this.merge.hasWork(this.connections)) return false;
    this.page.wake();
    return true;
  }

  /** True as soon as there is something. */
  private spinUntil(endNs: number): boolean {
    for (let nowNs = 0; nowNs < endNs; nowNs = monotonicNs()) {
      if (this.merge.hasWork(this.connections)) return true;
    }
    return false;
  }

  private sleepInFutex(deadlineNs: number): void {
    this.waiters.begin();
    let isComplete = this.connections.length > 0;
    for (const { channel } of this.connections) {
      const { bellOfOwn } = channel;
      isComplete = this.waiters.add(bellOfOwn.bellAddress, bellOfOwn.bell) && isComplete;
    }
    const canUseFutex = isComplete && this.introductions.timeoutMs < 0;
    if (this.sleep(canUseFutex ? SleepMode.Futex : SleepMode.Doorbell)) return;
    if (!canUseFutex) {
      const leftMs = Math.ceil((deadlineNs - monotonicNs()) / 1e6);
      const { timeoutMs } = this.introductions;
      this.handleEvents(this.epoll.wait(timeoutMs < 0 ? leftMs : Math.min(timeoutMs, leftMs)));
    } else if (this.waiters.wait(deadlineNs) === FutexResult.TimedOut) {
      this.handleEvents(this.epoll.wait(0));
    }
    this.page.wake();
  }

  private handleEvents(count: number): void {
    for (let i = 0; i < count; i++) {
      const fd = this.epoll.fdAt(i);
      if (fd === this.control.fd) this.readControl();
      const connection = this.connectionsByFd.get(fd);
      if (connection !== undefined && fd === connection.channel.socket.fd) {
        connection.hasHungUp = true;
      }
    }
  }

  private readControl(): void {
    while (this.control.open) {
      try {
        const frame = this.control.receive();
        if (frame === 'empty') return;
        if (frame === 'closed') break;
        this.obey(parseAuthorityMessage(frame.message), frame.fds);
      } catch (error) {
        this.diagnose(`the authority: ${error instanceof Error ? error.message : String(error)}`);
        break;
      }
    }
    if (!this.control.open) return;
    this.diagnose('the authority is gone: there will be no new introductions');
    this.epoll.remove(this.control.fd);
    this.control.close();
    for (const link of this.links.values()) if (link.channel === null) link.close();
    this.introductions.forgetAll();
  }

  private obey(message: AuthorityMessage, fds: readonly number[]): void {
    if (message.kind === 'welcome') {
      this.id = message.id;
      this.rootProcess = message.root;
    } else if (message.kind === 'channel') {
      this.connect(message, fds);
    } else if (message.kind === 'gone') {
      this.forget(message.peer);
    } else {
      this.diagnose(`no introduction to process ${message.peer}: ${message.reason}`);
      this.placeholderFor(message.peer).close();
      this.introductions.forget(message.peer);
    }
  }

  private connect(message: ChannelMessage, fds: readonly number[]): void {
    const { peer, uid, pid, namesAccounts, isTrusted, maxima } = message;
    const channel = new Channel(message, fds);
    const identity = { id: peer, uid, pid, namesAccounts, isTrusted, maxima };
    let link = this.links.get(peer);
    if (link === undefined) this.links.set(peer, (link = new Link(identity, this)));
    link.connect(identity, channel);
    const input = new LinkInput(link, channel, this);
    const connection = new Connection(link, channel, input);
    this.connections = [...this.connections, connection];
    this.connectionsByFd.set(channel.bell.fd, connection);
    this.connectionsByFd.set(channel.socket.fd, connection);
    this.epoll.add(channel.bell.fd, EPOLLIN | EPOLLET);
    this.epoll.add(channel.socket.fd, EPOLLRDHUP | EPOLLET);
    this.introductions.forget(peer);
    this.exchangeRoot(message, link);
    if (message.isFirst) this.control.send({ kind: 'ready', peer });
    link.flush();
  }

  private exchangeRoot({ root }: ChannelMessage, link: Link): void {
    if (root === 'to-peer' && this.options.root?.live === true) {
      const { root: handle } = this.options;
      link.exports.addRoot(handle.owner.copyHandle(handle, link.ownPeer));
    } else if (root === 'from-peer') {
      this.local.begin();
      const node = link.import(ROOT_ID, ReferenceFlag.TakesDescriptors, link.identity.uid);
      this.rootHandle = this.local.makeHandle(this.grants.peer, node);
      this.local.commit();
    }
  }

  /** Whether what comes from `process` can be dealt with now; asks for an introduction where that helps. */
  private isKnown(process: number): boolean {
    if (!this.control.open || this.gone.has(process)) {
      this.placeholderFor(process).close();
      return true;
    }
    return this.introductions.isOverdue(process);
  }

  private forget(process: number): void {
    this.gone.add(process);
    this.grants.revoke(process);
    this.introductions.forget(process);
    const connection = this.connections.find(({ link }) => link.identity.id === process);
    if (connection !== undefined) connection.hasHungUp = true;
    else this.links.get(process)?.close();
  }

  /** Processes that are gone: first all that they had committed, then their end. */
  private closeHungUp(): number {
    if (!this.connections.some(({ hasHungUp }) => hasHungUp)) return 0;
    while (this.drain() > 0);
    let closed = 0;
    for (const connection of this.connections) {
      if (!connection.hasHungUp || connection.isBlocked) continue;
      this.closeConnection(connection);
      closed++;
    }
    return closed;
  }

  private closeConnection(connection: Connection): void {
    const { link, channel, input } = connection;
    if (!this.connections.includes(connection)) return;
    this.connections = this.connections.filter((other) => other !== connection);
    for (const fd of [channel.bell.fd, channel.socket.fd]) {
      this.epoll.remove(fd);
      this.connectionsByFd.delete(fd);
    }
    input.close();
    link.close();
    if (this.rootHandle?.live === false) this.rootHandle = null;
  }

  private diagnose(text: string): void {
    this.options.onDiagnostic?.(text);
  }
}
