import { geteuid, watchReadable, type LoopWatch } from '#core/linux/index.js';
import { LocalDomain, ResourceUser, type Handle, type Maxima } from '#core/index.js';
import { parseLookUs } from '#core/shared/index.js';
import type { Denial } from '#bridge/registry/denial.js';
import { Arrivals } from './arrivals.js';
import type { OwnPeer } from './contexts.js';
import { Calls } from './calls.js';
import { BusClosedError, ClientError, TimeoutError } from './errors.js';
import type { SignalStream } from './interface-description.js';
import { MessageReader } from './message-reader.js';
import type { ObjectSignals } from './object-signals.js';
import { Pending, type Awaited } from './pending.js';
import { Senders } from './senders.js';
import type { SignalRule } from './signal-rule.js';
import { domainAt, type OpenTransport, type Transport, type TransportKind } from './transport.js';
import { LoopTurns } from './loop-turns.js';

function noSignals(): never {
  throw new ClientError(
    'Disconnected',
    'signals need a bus: an object of a domain without a bus cannot broadcast any',
  );
}

export interface MemberOptions {
  /** limits on what others may have queued here, and on handles and descriptors that this process has got from them */
  readonly maxima?: Maxima | undefined;
  /**
   * how long this process spins before it sleeps, in µs; by default the value of BUS1_LOOK_US, or for
   * as long as that pays
   */
  readonly lookUs?: number | undefined;
  /**
   * whether the `stack` of an error shows every function that led to the call, and not only those that await it; false
   * by default, since it costs some microseconds for each asynchronous call
   */
  readonly callSites?: boolean | undefined;
  /** called with the reason why a channel was closed or a message was dropped, and with unhandled errors of handlers */
  readonly onDiagnostic?: ((text: string) => void) | undefined;
}

/** A message may have 128 MiB, and one sender may take half of what is left. */
const MAXIMA: Maxima = { objects: 1 << 16, bytes: 1 << 28, descriptors: 1024 };

/**
 * This process as a member of a domain: its peer, what arrives for that, and Node's loop. It keeps the process alive
 * while something is held: calls that wait, objects that are served, subscriptions.
 */
export class Member {
  readonly local = new LocalDomain();
  readonly transport: TransportKind;
  readonly shared: Transport;
  readonly peer: OwnPeer;
  readonly arrivals: Arrivals;
  readonly senders: Senders;
  readonly reader = new MessageReader(this);
  readonly calls = new Calls(this);
  isOpen = true;
  readonly tellsCallSites: boolean;
  /** resolves with the reason */
  readonly closed: Promise<string>;
  /** the bodies of broadcasts by a rule; without a bus there are none */
  signals: (rule: SignalRule) => SignalStream<readonly unknown[]> = noSignals;
  /** Reports to the bus, if there is one, a message that its policy has refused here. */
  denied: (sender: string | undefined, denial: Denial) => void = () => {};
  /** signals by way of capabilities; given by the bus or the domain that this is a member for */
  objectSignals: ObjectSignals | undefined;
  private resolveClosed: (reason: string) => void = () => {};
  private readonly options: MemberOptions;
  /** undefined while this is being constructed */
  private readonly watch: LoopWatch | undefined;
  private lastDiagnostic = '';
  private holds = 0;
  private timer: NodeJS.Timeout | undefined;
  private onTurn: (() => void) | null = null;
  private readonly turn = (): void => this.takeTurn();
  private readonly turns: LoopTurns;

  /**
   * Asks the authority at a path, or behind a socket, for admission, or opens another transport; `awaitAdmission` waits
   * for that. `makeRoot`: only in the process of the authority.
   *
   * @throws SystemError
   */
  constructor(
    way: string | number | OpenTransport,
    options: MemberOptions,
    makeRoot?: (founder: Member) => Handle,
  ) {
    this.options = options;
    this.tellsCallSites = options.callSites === true;
    this.closed = new Promise((resolve) => (this.resolveClosed = resolve));
    this.arrivals = new Arrivals((error) => this.diagnose(error));
    const { local } = this;
    const { maxima = MAXIMA } = options;
    this.transport = typeof way === 'function' ? 'socket' : 'domain';
    const isDomain = this.transport === 'domain';
    const lookUs = isDomain ? (options.lookUs ?? parseLookUs(process.env['BUS1_LOOK_US'])) : 0;
    this.turns = new LoopTurns(this.turn, () => this.shared.hasArrived, lookUs);
    const user = new ResourceUser(geteuid(), maxima);
    this.peer = local.openPeer({ user, sink: this.arrivals });
    const onDiagnostic = (text: string): void => this.diagnose(text);
    const root = makeRoot?.(this);
    const schedule = (): void => this.turns.schedule();
    const joining = { local, user, maxima, lookUs, onDiagnostic, schedule };
    const open = typeof way === 'function' ? way : domainAt(way);
    this.shared = open(root === undefined ? joining : { ...joining, root });
    this.senders = new Senders(this.shared);
    this.watch = watchReadable(this.shared.fd, this.turn);
    if (this.holds === 0) this.watch.unref();
  }

  /** Resolves when this process has been admitted. @throws ClientError, and the reason of an aborted `signal` */
  async awaitAdmission(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    this.hold();
    const overdue = AbortSignal.timeout(timeoutMs);
    const over = signal === undefined ? overdue : AbortSignal.any([signal, overdue]);
    try {
      await new Promise<void>((resolve, reject) => {
        this.onTurn = () => {
          if (this.shared.isReady) resolve();
          else if (this.lastDiagnostic !== '') reject(this.notAdmitted());
        };
        over.addEventListener('abort', () =>
          reject(signal?.aborted ? signal.reason : this.notAdmitted()),
        );
        this.takeTurn();
      });
    } finally {
      this.onTurn = null;
      this.unhold();
    }
  }

  /** The same, blocking the thread. @throws ClientError */
  awaitAdmissionSync(timeoutMs: number): void {
    const isReady = this.shared.awaitReady(timeoutMs);
    this.turns.schedule();
    if (!isReady) throw this.notAdmitted();
  }

  private notAdmitted(): ClientError {
    const why = this.lastDiagnostic === '' ? 'the authority did not answer' : this.lastDiagnostic;
    return new ClientError(
      'JoinFailed',
      `this process was not admitted to the ${this.transport === 'domain' ? 'domain' : 'bus'}: ${why}`,
    );
  }

  /** The process stays alive until `unhold`. */
  // hot
  hold(): void {
    if (this.holds++ === 0 && this.isOpen) this.watch?.ref();
  }

  // hot
  unhold(): void {
    if (--this.holds === 0 && this.isOpen) this.watch?.unref();
  }

  /** Blocks the thread until `pending` was answered. `isOwn`: by this process itself. */
  // hot
  await(pending: Awaited, timeoutMs: number, isOwn: boolean): void {
    if (!pending.isWaiting) return;
    const { arrivals, shared } = this;
    const wasAttended = arrivals.isAttended;
    arrivals.isAttended = true;
    try {
      if (isOwn) this.awaitOwn(pending);
      const start = timeoutMs < 0 ? 0 : performance.now();
      let leftMs = timeoutMs;
      while (pending.isWaiting) {
        shared.wait(leftMs);
        if (!pending.isWaiting) break;
        if (timeoutMs >= 0) leftMs = timeoutMs - (performance.now() - start);
        if (timeoutMs >= 0 && leftMs <= 0) pending.end(new TimeoutError(pending.what, timeoutMs));
      }
    } finally {
      this.unattend(wasAttended);
    }
  }

  /** From now on Node's loop deals with arrivals again, unless an outer blocking call still does. */
  // hot
  private unattend(wasAttended: boolean): void {
    this.arrivals.isAttended = wasAttended;
    if (!wasAttended) this.turns.schedule();
  }

  private awaitOwn(pending: Awaited): void {
    this.arrivals.deal(true);
    if (!pending.isWaiting) return;
    const why = `${pending.what}: it is addressed to this process itself, whose handler waits for something else`;
    pending.end(new ClientError('WouldDeadlock', why));
  }

  /** Blocks the thread until something has arrived and was dealt with: true; or `timeoutMs` (-1: no end) are over. */
  // hot
  wait(timeoutMs: number): boolean {
    this.mustBeOpen();
    const { arrivals, shared } = this;
    const wasAttended = arrivals.isAttended;
    arrivals.isAttended = true;
    try {
      const hasArrived = !arrivals.isEmpty || shared.wait(timeoutMs) > 0;
      arrivals.deal(true);
      return hasArrived;
    } finally {
      this.unattend(wasAttended);
    }
  }

  /** Reads the input, to be dealt with later. */
  refreshQuotas(): boolean {
    const { arrivals } = this;
    const wasAttended = arrivals.isAttended;
    arrivals.isAttended = true;
    try {
      this.shared.dispatch();
    } finally {
      this.unattend(wasAttended);
    }
    return true;
  }

  /** Whether a process is one of the bus, whose control messages count. */
  isOfBus(process: number): boolean {
    return this.shared.identityOf(process)?.isTrusted === true;
  }

  /** @throws BusClosedError */
  mustBeOpen(): void {
    if (!this.isOpen)
      throw new BusClosedError('close() was called, or the bridge has disconnected this process');
  }

  diagnose(what: unknown): void {
    const text = what instanceof Error ? (what.stack ?? what.message) : String(what);
    this.lastDiagnostic = text;
    this.options.onDiagnostic?.(text);
  }

  /** Leaves the domain. All pending calls and subscriptions end with an error. */
  close(reason: string): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.objectSignals?.complete();
    const waiting: Awaited[] = [];
    for (let node = this.peer.firstNode; node !== null; node = node.nextOwned) {
      if (node.context instanceof Pending) waiting.push(node.context);
    }
    clearTimeout(this.timer);
    this.watch?.close();
    this.releaseHandles();
    this.peer.close();
    this.shared.close();
    for (const pending of waiting) pending.end(new BusClosedError(reason));
    this.resolveClosed(reason);
  }

  /** Handles are released while this process is still a member: closing a peer ends its nodes first. */
  private releaseHandles(): void {
    const handles: Handle[] = [];
    for (let handle = this.peer.firstHandle; handle !== null; handle = handle.nextOwned) {
      handles.push(handle);
    }
    this.peer.releaseAll(handles);
  }

  // hot
  /** The policy has refused a reply: reports that later, since nothing may be sent while it is being delivered. */
  keptBack(sender: string | undefined, denial: Denial): void {
    this.arrivals.push({ isReply: false, deal: () => this.denied(sender, denial) });
  }

  private takeTurn(): void {
    const { arrivals, shared, turns } = this;
    turns.begin();
    if (!this.isOpen || arrivals.isAttended) return;
    arrivals.isAttended = true;
    let found = 0;
    try {
      found = turns.isFirst ? shared.dispatch() : shared.catchUp();
      arrivals.deal();
      shared.flush(true);
    } catch (error) {
      this.diagnose(error);
    } finally {
      arrivals.isAttended = false;
    }
    if (!this.isOpen || turns.end(found)) return;
    if (shared.beforeSleep()) return turns.schedule();
    const { timeoutMs } = shared;
    if (this.timer !== undefined) clearTimeout(this.timer);
    this.timer = timeoutMs < 0 ? undefined : setTimeout(this.turn, timeoutMs);
    this.onTurn?.();
  }
}
