import type {
  CommandOptions,
  Maxima,
  OutgoingById,
  ReceivedById,
  ReceiveSpace,
  TransferEntry,
} from '#core/index.js';

type Awaitable<T> = T | Promise<T>;

/** What the conformance rows may ask of a domain: operations by ID, nothing of what is behind them. */
export interface ConformanceDomain {
  readonly name: string;
  openPeer(uid?: number): Awaitable<ConformancePeer>;
  openPeers(count: number): Awaitable<ConformancePeer[]>;
  /** for each pair a new node of the first and a handle to it, held by the second: IDs of the handles */
  connect(pairs: readonly Pair[]): Awaitable<number[]>;
  /** closes peers, those of different processes at the same time */
  closeTogether(peers: readonly ConformancePeer[]): Awaitable<void>;
  /** the process that each peer is in */
  homesOf(peers: readonly ConformancePeer[]): readonly number[];
  /** lets all processes play their peers' parts of many schedules, at the same time */
  perform(play: Play): Awaitable<PlayReport>;
  /** something that can be named as a target but is not a peer of this domain */
  stranger(): Awaitable<ConformancePeer>;
  /** waits until what was sent has arrived */
  settle(): Awaitable<void>;
  /** sum of all that is charged to all users, in all slots */
  charged(): Awaitable<number>;
  counts(): Awaitable<Counts>;
  /** a file descriptor to be sent with a message */
  openDescriptor(): Awaitable<number>;
  descriptors(): Awaitable<DescriptorLedger>;
  /** closes the peers that are still open */
  close(): Awaitable<void>;
}

export type Pair = readonly [from: ConformancePeer, to: ConformancePeer];

/** Schedules (schedules.ts) and who plays in them. */
export interface Play {
  readonly program: Uint8Array;
  /** a send waits until the one before it in its schedule is done, which it learns from beside the domain */
  readonly hasSideChannel: boolean;
  readonly peers: readonly ConformancePeer[];
  /** `handles[i][k]` leads from peer i to peer k */
  readonly handles: readonly (readonly number[])[];
}

export interface PlayReport {
  /** what went wrong first, if anything */
  readonly failure: string | null;
  readonly received: number;
}

export interface Counts {
  readonly peers: number;
  readonly nodes: number;
  readonly handles: number;
}

/** Descriptors of `openDescriptor`, wherever they are now. */
export interface DescriptorLedger {
  readonly open: number;
  readonly closedTwice: number;
}

export interface ConformancePeer {
  transfer(
    to: ConformancePeer,
    entries: readonly TransferEntry[],
    options?: CommandOptions,
  ): Awaitable<{ source: number[]; target: number[] }>;
  release(ids: readonly number[], options?: CommandOptions): Awaitable<void>;
  drain(ids: readonly number[], options?: CommandOptions): Awaitable<void>;
  /** the descriptors belong to the message from now on, also when it is refused */
  send(destinations: readonly number[], outgoing: ConformanceOutgoing): Awaitable<number>;
  receive(space?: ReceiveSpace): Awaitable<ConformanceReceived | undefined>;
  readable(): Awaitable<boolean>;
  close(): Awaitable<void>;
}

export type ConformanceOutgoing = Omit<OutgoingById, 'descriptors'> & {
  readonly descriptors?: readonly number[];
};

export interface ConformanceDescriptors {
  readonly count: number;
  /** the receiver is done with them */
  drop(): Awaitable<void>;
}

type UserById = Extract<ReceivedById, { readonly type: 0 }>;

export type ConformanceMessage = Omit<UserById, 'descriptors'> & {
  readonly descriptors: ConformanceDescriptors | null;
};

export type ConformanceReceived =
  | ConformanceMessage
  | { readonly type: 1 | 2; readonly id: number };

export type OpenDomain = (maxima: Maxima) => Awaitable<ConformanceDomain>;
