import { ChannelError } from '../errors.js';
import type { Handle } from '../handle.js';
import { connectUnix, Epoll, SystemError, watchReadable } from '../linux/index.js';
import type { LoopWatch } from '../linux/index.js';
import type { LocalDomain } from '../local-domain.js';
import type { Peer } from '../peer.js';
import type { Maxima } from '../quota.js';
import { monotonicNs } from './clock.js';
import type { LinkedChannel } from './linked-channel.js';
import { Connections } from './connections.js';
import { describeProcess } from './diagnostics.js';
import type { JoinOptions, SharedCounters } from './join-options.js';
import { INVENTED_MAX, SleepMode, TRACES_MAX } from './layout.js';
import type { Link, ProcessIdentity } from './link.js';
import { Membership, type MembershipContext } from './membership.js';
import { Merge, type MergeContext } from './merge.js';
import { OwnPage } from './page.js';
import { Patience } from './patience.js';
import { Sleeper } from './sleeper.js';
import { RemoteTransaction } from './transaction.js';
import { UidRows } from './uid-rows.js';

/** Runs that go on with the entries of a process that has hung up: it may live, and go on writing. */
const LAST_RUNS_MAX = 4096;
/** The same where all happens at once, because the process has a new channel already. */
const LAST_RUNS_AT_ONCE = 256;

/** Turns in one callback of Node's loop, which has other work as well. */
const TURNS_PER_CALL = 8;

/**
 * A process that waits repeatedly, and always finds something at once, still checks its sockets once in this many
 * waits.
 */
const WAITS_PER_LOOK = 64;

/**
 * The part of a domain across processes that is in this one (docs/shared-domain.md). Its peers are those of `local`;
 * what they send to a node of another process goes through a `Link`. Nothing happens by itself: `dispatch` takes what
 * has arrived, `fd` says when to call it, and `beforeSleep` must come before any sleep.
 */
export class SharedDomain implements MembershipContext, MergeContext {
  readonly local: LocalDomain;
  readonly transaction: RemoteTransaction;
  readonly traceRows = new UidRows(TRACES_MAX);
  private readonly options: JoinOptions;
  private readonly page = new OwnPage();
  private readonly epoll = new Epoll();
  private readonly connections = new Connections(this.epoll);
  private readonly membership: Membership;
  private readonly merge = new Merge(this);
  private readonly sleeper: Sleeper;
  private isFlushScheduled = false;
  private isOpen = true;
  private delivered = 0;
  private channelsBroken = 0;
  private waits = 0;
  private lastNonce = 0;
  private overflowing: Link[] = [];

  private constructor(fd: number, options: JoinOptions) {
    this.options = options;
    this.local = options.local;
    this.transaction = new RemoteTransaction(this.page);
    this.membership = new Membership(fd, options, this.epoll, this.connections, this);
    const patience = new Patience(options.lookUs);
    this.sleeper = new Sleeper(this.page, this.epoll, patience, () => this.hasArrived);
    this.local.remote = this.transaction;
  }

  /**
   * Asks the authority that listens at `path`, or is at the other end of the socket `fd`, to be admitted. That takes a
   * few turns of `dispatch`; `awaitReady` waits for it.
   *
   * @throws SystemError
   */
  static join(pathOrFd: string | number, options: JoinOptions): SharedDomain {
    const fd = typeof pathOrFd === 'string' ? connectUnix(pathOrFd) : pathOrFd;
    const domain = new SharedDomain(fd, options);
    domain.membership.authority.sayHello(options.maxima, domain.page.fd);
    return domain;
  }

  /** Readable when `dispatch` has something to do. */
  get fd(): number {
    return this.epoll.fd;
  }

  /** Number of this process in the domain; 0 until it has been admitted. */
  get id(): number {
    return this.membership.id;
  }

  /** True once this process has been admitted and holds the root handle, if the domain has one. */
  get isReady(): boolean {
    return this.id !== 0 && this.membership.root.isSettled;
  }

  /**
   * How long a sleep may last at most, in ms; limited only while an introduction is awaited, otherwise -1 (without
   * end).
   */
  get timeoutMs(): number {
    return this.membership.authority.introductions.timeoutMs;
  }

  /** A handle to the domain's root node, held by `to`. @throws Error before `isReady`, or when there is no root */
  copyRoot<Context>(to: Peer<unknown, Context>): Handle<Context> {
    return this.membership.root.copy(to);
  }

  /** Why this process can never be ready: it is not introduced to the one that has the root. */
  get refusal(): string | undefined {
    return this.isReady ? undefined : this.membership.root.refusal;
  }

  /** Waits, up to `timeoutMs`, for `isReady` or a `refusal`; returns `isReady`. Not in the process of the authority. */
  awaitReady(timeoutMs: number): boolean {
    const deadline = performance.now() + timeoutMs;
    while (!this.isReady && this.refusal === undefined && this.membership.authority.isOpen) {
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
    let count: number;
    do this.handleEvents((count = this.epoll.wait(0)));
    while (count === this.epoll.maxEvents);
    const delivered = this.drain() + this.closeHungUp();
    this.flush();
    return delivered;
  }

  /**
   * Delivers what others have committed by now, without a system call. Call this after learning something outside
   * the domain, before acting on it: then the messages that caused it have arrived as well.
   */
  catchUp(): number {
    return this.isOpen ? this.drain() : 0;
  }

  /** Whether `catchUp` would deliver something. */
  get hasArrived(): boolean {
    return this.isOpen && !this.isHolding && this.merge.hasWork(this.connections.all);
  }

  /**
   * Makes other processes wake this one. True when something has arrived meanwhile: then `dispatch` must be called
   * again.
   */
  beforeSleep(): boolean {
    if (!this.isOpen) return false;
    this.flush();
    return !this.sleeper.announce(SleepMode.Doorbell);
  }

  /**
   * Waits, blocking the thread, until something was delivered or `timeoutMs` (-1 without end) have passed. Returns how
   * many entries were delivered.
   */
  wait(timeoutMs: number): number {
    let deadlineNs = timeoutMs < 0 ? Infinity : -1;
    if (++this.waits % WAITS_PER_LOOK === 0) this.handleEvents(this.epoll.wait(0));
    this.sleeper.begin();
    while (this.isOpen) {
      const delivered = this.drain() + this.closeHungUp();
      if (delivered > 0) return delivered;
      const nowNs = monotonicNs();
      if (deadlineNs < 0) deadlineNs = nowNs + timeoutMs * 1e6;
      const isBrief = this.sleeper.isBrief(nowNs);
      this.flushAll(isBrief);
      if (nowNs >= deadlineNs) return 0;
      if (isBrief && this.sleeper.look()) continue;
      this.handleEvents(this.sleep(nowNs, deadlineNs, isBrief));
    }
    return 0;
  }

  /** Lets Node's own loop call `dispatch`, until the returned watch is closed. */
  attach(onDelivered?: () => void): LoopWatch {
    let timer: NodeJS.Timeout | undefined;
    let next: NodeJS.Immediate | undefined;
    const turn = () => {
      if (!this.isOpen) return;
      let delivered = 0;
      let turns = 0;
      let isMore: boolean;
      do {
        delivered += this.dispatch();
        isMore = this.beforeSleep();
      } while (isMore && ++turns < TURNS_PER_CALL);
      clearTimeout(timer);
      clearImmediate(next);
      next = isMore ? setImmediate(turn) : undefined;
      if (this.timeoutMs >= 0) timer = setTimeout(turn, this.timeoutMs);
      if (delivered > 0) onDelivered?.();
    };
    const watch = watchReadable(this.fd, turn);
    turn();
    return watch;
  }

  /** Reports what was given back (with `isBusy` only if it is much), and sends what waited for room. */
  flush(isBusy = false): void {
    this.isFlushScheduled = false;
    this.flushAll(isBusy);
  }

  private flushAll(isBusy: boolean): void {
    for (const connection of this.connections.all) {
      try {
        connection.link.flush(isBusy);
      } catch (error) {
        this.fail(connection, error);
      }
    }
    if (this.overflowing.length > 0) this.giveUpOverflowing();
  }

  private giveUpOverflowing(): void {
    for (const link of this.overflowing.splice(0)) {
      if (!link.isOpen) continue;
      const connection = this.connections.to(link.identity.id);
      const error = new ChannelError('it does not read its control ring');
      if (connection?.link === link) this.fail(connection, error);
      else this.membership.giveUp(link.identity.id, 'too much is queued for it');
    }
  }

  /** The identity of a process with a channel to this one; undefined without a channel. */
  identityOf(process: number): ProcessIdentity | undefined {
    return this.membership.identityOf(process);
  }

  get counters(): SharedCounters {
    let entriesWaiting = 0;
    let wakeupsSent = 0;
    for (const { link, channel } of this.connections.all) {
      entriesWaiting += link.outbox.waitingCount;
      wakeupsSent += channel.wakeups;
    }
    const { delivered, channelsBroken } = this;
    const { sent } = this.membership.links;
    const channels = this.connections.all.length;
    return { channels, entriesWaiting, sent, delivered, wakeupsSent, channelsBroken };
  }

  /** Peers, nodes and handles of the local domain, without the proxies for other processes. */
  counts(): { peers: number; nodes: number; handles: number } {
    const proxies = { peers: 1, nodes: 0, handles: 0 }; // 1: that of the grants, which holds the root handle
    const { links, grants } = this.membership;
    for (const link of links.all()) if (link.isOpen) link.count(proxies);
    const { firstHandle } = grants.peer;
    for (let handle = firstHandle; handle !== null; handle = handle.nextOwned) proxies.handles++;
    const { peers, nodes, handles } = this.local.counters;
    return {
      peers: peers - proxies.peers,
      nodes: nodes - proxies.nodes,
      handles: handles - proxies.handles,
    };
  }

  /**
   * Leaves the domain: for all others this process is gone. Peers of `local` are notified as if all others were
   * gone.
   */
  close(): void {
    if (!this.isOpen) return;
    this.flush();
    this.isOpen = false;
    this.membership.close();
    this.local.remote = null;
    this.epoll.close();
    this.page.close();
  }

  // MembershipContext and MergeContext: what links and the merge need.

  needsFlush(): void {
    if (this.isFlushScheduled) return;
    this.isFlushScheduled = true;
    (this.options.schedule ?? queueMicrotask)(() => this.isOpen && this.flush());
  }

  get maxima(): Maxima {
    return this.options.maxima;
  }

  get isHolding(): boolean {
    return this.membership.authority.introductions.isHolding;
  }

  overflows(link: Link): void {
    this.overflowing.push(link);
    this.needsFlush();
  }

  nextNonce(): number {
    return (this.lastNonce = (this.lastNonce + 1) >>> 0);
  }

  finish(connection: LinkedChannel): void {
    for (let runs = 0; runs < LAST_RUNS_AT_ONCE && this.hasMore(connection); runs++) this.drain();
    this.membership.closeConnection(connection);
  }

  invented(namer: number): void {
    const connection = this.connections.to(namer);
    if (connection === undefined || ++connection.inventedCount <= INVENTED_MAX) return;
    this.fail(
      connection,
      new ChannelError(`it has named ${INVENTED_MAX} processes that never existed`),
    );
  }

  take(connection: LinkedChannel): boolean {
    const stranger = connection.input.strangerInNext();
    if (stranger !== 0 && !this.membership.isKnown(stranger, connection.link.identity))
      return false;
    return connection.input.take();
  }

  taken(): boolean {
    return this.options.afterEntry?.() ?? false;
  }

  /**
   * The one boundary: every error while the input of a process is processed is that process's fault. Its channel is
   * closed, which is logged once, and no transaction stays open.
   */
  fail(connection: LinkedChannel, error: unknown): void {
    this.local.abandon();
    this.channelsBroken++;
    const { identity } = connection.link;
    const who = describeProcess(identity, identity.executable);
    const text = `channel to process ${identity.id} (${who}) closed: ${whyOf(error)}`;
    this.membership.diagnostics.sayAbout(identity.uid, text);
    this.membership.closeConnection(connection);
  }

  /** Like `fail`, for deferred work that an entry of `process` had asked for. */
  expel(process: number, error: unknown): void {
    const connection = this.connections.to(process);
    if (connection !== undefined) this.fail(connection, error);
  }

  private drain(): number {
    this.membership.authority.introductions.beginTurn();
    const delivered = this.merge.run(this.connections.all);
    this.delivered += delivered;
    return delivered;
  }

  /** Sleeps on bell words at first, and on descriptors after a while or while an introduction is awaited. */
  private sleep(nowNs: number, deadlineNs: number, isBrief: boolean): number {
    const { timeoutMs } = this;
    if (isBrief && timeoutMs < 0)
      return this.sleeper.sleepBriefly(this.connections.all, deadlineNs);
    const holdEndNs = timeoutMs < 0 ? Infinity : nowNs + timeoutMs * 1e6;
    return this.sleeper.sleep(Math.min(deadlineNs, holdEndNs) - nowNs);
  }

  private handleEvents(count: number): void {
    const { authority } = this.membership;
    for (let i = 0; i < count; i++) {
      const fd = this.epoll.fdAt(i);
      if (fd === authority.fd) authority.read();
      else this.connections.noteEvent(fd);
    }
  }

  /**
   * Closes the connections of processes that are gone, after delivering all that they had committed. Returns how many
   * there were, plus all entries delivered, those included that had waited for something of theirs.
   */
  /** Closes the channels of processes that are gone, once what they had committed was delivered. */
  private closeHungUp(): number {
    let count = 0;
    for (const connection of this.connections.all) {
      if (!connection.hasHungUp || connection.isBlocked) continue;
      if (this.hasMore(connection) && ++connection.lastRuns <= LAST_RUNS_MAX) continue;
      this.membership.closeConnection(connection);
      count++;
    }
    return count === 0 ? 0 : count + this.drain();
  }

  private hasMore(connection: LinkedChannel): boolean {
    return this.merge.hasWork([connection]);
  }
}

/** The text for a diagnostic: an unexpected error comes with its stack. */
function whyOf(error: unknown): string {
  if (error instanceof ChannelError || error instanceof SystemError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
