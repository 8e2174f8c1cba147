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
  /** something that can be named as a target but is no peer of this domain */
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
