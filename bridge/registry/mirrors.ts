import {
  Message,
  NewNode,
  type DescriptorSet,
  type Handle,
  type Received,
  type SendStatus,
} from '#core/index.js';

import type { ConnectionFigures } from './connection.js';
import { Control, controlMessage, readControl } from './control-message.js';
import type { DenialRow } from './denials.js';
import type { DirectoryChange } from './directory-change.js';
import type { DirectoryHandle, DirectoryNodeContext } from './directory.js';
import type { HostStatus } from './host-report.js';
import type { Registry } from './registry.js';
import type { NewClient } from './replica.js';

/** The directory of another host, which follows ours. */
export class Mirror {
  readonly handle: Handle;
  readonly process: number;
  /** the last change that it has acknowledged */
  version: number;
  /** it has room for clients */
  isAccepting = true;
  status: HostStatus | undefined;
  denials: readonly DenialRow[] = [];
  figures = new Map<number, ConnectionFigures>();

  constructor(handle: Handle, process: number, version: number) {
    this.handle = handle;
    this.process = process;
    this.version = version;
  }
}

/** The `context` of the node at which a mirror acknowledges a change: by releasing its handle. */
export class Publication {
  readonly mirror: Mirror;
  readonly version: number;

  constructor(mirror: Mirror, version: number) {
    this.mirror = mirror;
    this.version = version;
  }
}

/** The `context` of the node at which a mirror answers a report request. */
export class ReportRequest {
  readonly mirror: Mirror;
  readonly round: ReportRound;

  constructor(mirror: Mirror, round: ReportRound) {
    this.mirror = mirror;
    this.round = round;
  }
}

/** The `context` of the handle to a name node that an owner in another process has yet to release. */
export class Departure {
  /** version of the last change before it: messages from then on have to wait */
  readonly version: number;

  constructor(version: number) {
    this.version = version;
  }
}

interface ReportRound {
  awaited: number;
  readonly done: () => void;
}

interface Waiting {
  readonly version: number;
  readonly run: () => void;
}

/**
 * The directories of other hosts. Names and subscriptions reach every host before the call that asked for them is
 * answered: the driver's messages wait until then. A host that dies is not waited for.
 */
export class Mirrors {
  /** called when a host has joined or left, or has begun or ceased to accept clients */
  onHostsChanged: (() => void) | null = null;
  private readonly registry: Registry;
  private readonly mirrors = new Set<Mirror>();
  private readonly message = new Message<never, DirectoryNodeContext>();
  private readonly departures = new Set<Departure>();
  private readonly waiting: Waiting[] = [];
  private version = 0;
  /** a waiting action is being run */
  private isRunning = false;

  constructor(registry: Registry) {
    this.registry = registry;
  }

  get count(): number {
    return this.mirrors.size;
  }

  /** Adds a host: the whole directory is sent to it first. `handle` and `reply` are the registry's. */
  add(handle: DirectoryHandle, reply: Handle, process: number): void {
    const mirror = new Mirror(handle, process, this.version);
    handle.context = mirror;
    for (const { change, handle: object } of this.registry.snapshot()) {
      this.tell(mirror, change, object, false);
    }
    this.mirrors.add(mirror);
    this.registry.peer.send(reply, controlMessage(this.message, Control.Mirrored, {}));
    this.onHostsChanged?.();
  }

  /** The processes of the hosts. */
  get processes(): number[] {
    return [...this.mirrors].map(({ process }) => process);
  }

  /** Whether every host has room for clients. */
  get areAccepting(): boolean {
    return this.mirrors.size > 0 && [...this.mirrors].every(({ isAccepting }) => isAccepting);
  }

  setAccepting(process: number, isAccepting: boolean): void {
    for (const mirror of this.mirrors) {
      if (mirror.process === process) mirror.isAccepting = isAccepting;
    }
    this.onHostsChanged?.();
  }

  /** Hands a client to the host in `process`; undefined: there is no such host. */
  bringClient(process: number, client: NewClient, socket: DescriptorSet): SendStatus | undefined {
    const mirror = [...this.mirrors].find((each) => each.process === process);
    if (mirror === undefined) return undefined;
    const message = controlMessage(this.message, Control.Client, client);
    message.descriptors = socket;
    return this.registry.peer.send(mirror.handle, message);
  }

  /** Whether there is any host to publish to. */
  get hasAny(): boolean {
    return this.mirrors.size > 0;
  }

  publish(change: DirectoryChange, handle?: Handle): void {
    if (this.mirrors.size === 0) return;
    this.version++;
    for (const mirror of this.mirrors) this.tell(mirror, change, handle, true);
  }

  /** Whether replicas still have changes to acknowledge. */
  get isBehind(): boolean {
    const isInLine = this.waiting.length > 0 && !this.isRunning;
    if (this.mirrors.size === 0 && this.departures.size === 0) return isInLine;
    return isInLine || this.oldest < this.version;
  }

  /**
   * A process has been asked to release the node behind `handle`: until it does, messages could still go there.
   * Returns a function that ends the wait, for a timeout.
   */
  expectRelease(handle: DirectoryHandle): () => void {
    const departure = new Departure(this.version);
    handle.context = departure;
    this.departures.add(departure);
    return () => this.departed(departure);
  }

  /** Runs `action` once every mirror has acknowledged all that was published so far, in the order of the calls. */
  whenSettled(action: () => void): void {
    /* called from an action that is being run */
    if (this.isRunning && !this.isBehind) return action();
    this.waiting.push({ version: this.version, run: action });
    this.runSettled();
  }

  /** Requests a report from every host, then runs `action`. */
  collectReports(action: () => void): void {
    const round: ReportRound = { awaited: this.mirrors.size, done: action };
    if (round.awaited === 0) return action();
    for (const mirror of this.mirrors) {
      const message = controlMessage(this.message, Control.Report, {});
      message.newNode = NewNode.OneShot;
      message.newNodeContext = new ReportRequest(mirror, round);
      this.registry.peer.send(mirror.handle, message);
    }
  }

  figuresOf(process: number, number: number): ConnectionFigures | undefined {
    for (const mirror of this.mirrors) {
      if (mirror.process === process) return mirror.figures.get(number);
    }
    return undefined;
  }

  /** As of the last report. */
  get statuses(): HostStatus[] {
    return [...this.mirrors].flatMap(({ status }) => (status === undefined ? [] : [status]));
  }

  /** What each host has refused, as of the last report. */
  get denials(): (readonly DenialRow[])[] {
    return [...this.mirrors].map(({ denials }) => denials);
  }

  /** A message has arrived at a node of the registry. Returns false if it is not a report. */
  received(entry: Extract<Received, { type: 0 }>): boolean {
    const { context } = entry.node;
    if (!(context instanceof ReportRequest)) return false;
    const { mirror, round } = context;
    const { report } = readControl('report', entry, entry.origin === mirror.process) ?? {};
    if (report !== undefined) {
      mirror.status = report.status;
      mirror.denials = report.denials;
      mirror.figures = new Map(report.figures.map(({ number, of }) => [number, of]));
    }
    finish(round);
    return true;
  }

  /** HANDLE_RELEASE: a host has released its handle, or is gone. Returns false if the node was not made here. */
  released({ context }: { readonly context: unknown }): boolean {
    if (context instanceof Publication) {
      context.mirror.version = context.version;
      this.runSettled();
      return true;
    }
    if (!(context instanceof ReportRequest)) return false;
    finish(context.round);
    return true;
  }

  /** NODE_RELEASE. Returns false if the node belongs neither to a mirror nor to a name that is being released. */
  lost({ context }: Handle): boolean {
    if (context instanceof Departure) this.departed(context);
    else if (context instanceof Mirror) {
      this.mirrors.delete(context);
      this.runSettled();
      this.onHostsChanged?.();
    } else return false;
    return true;
  }

  private departed(departure: Departure): void {
    if (this.departures.delete(departure)) this.runSettled();
  }

  private get oldest(): number {
    let oldest = this.version;
    for (const { version } of this.mirrors) oldest = Math.min(oldest, version);
    for (const { version } of this.departures) oldest = Math.min(oldest, version - 1);
    return oldest;
  }

  private runSettled(): void {
    const { waiting } = this;
    if (this.isRunning) return;
    this.isRunning = true;
    try {
      while ((waiting[0]?.version ?? Infinity) <= this.oldest) waiting.shift()?.run();
    } finally {
      this.isRunning = false;
    }
  }

  private tell(
    mirror: Mirror,
    change: DirectoryChange,
    handle: Handle | undefined,
    isAwaited: boolean,
  ): void {
    const message = controlMessage(this.message, Control.Change, { change });
    if (handle !== undefined) message.addTransfer(handle);
    if (isAwaited) {
      message.newNode = NewNode.OneShot;
      message.newNodeContext = new Publication(mirror, this.version);
    }
    this.registry.peer.send(mirror.handle, message);
  }
}

function finish(round: ReportRound): void {
  round.awaited--;
  if (round.awaited === 0) round.done();
}
