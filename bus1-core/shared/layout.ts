/**
 * What two processes of a domain have in common, byte by byte (docs/shared-domain.md, "Layout"). Words are
 * little-endian.
 */
export const PROTOCOL_VERSION = 1;

/** The page that each process writes and all others map read-only: one page of 4 KiB. */
export const PAGE_BYTES = 4096;
export const PageOffset = {
  /** u32: how its owner sleeps, `SleepMode` in the low two bits, above them a count that grows with each sleep */
  Sleep: 0,
  /** u32: number of the last committed transaction; on a cache line of its own */
  Committed: 64,
  /** f64: stamp of the last transaction */
  Stamp: 72,
} as const;

export const SleepMode = { Awake: 0, Doorbell: 1, Futex: 2 } as const;
export type SleepMode = (typeof SleepMode)[keyof typeof SleepMode];

/** One direction of a channel: a header, then `capacity` bytes of entries. */
export const RING_HEADER_BYTES = 256;
export const RingOffset = {
  /** u32, by the sender: bytes written since the beginning, modulo 2^32 */
  Head: 0,
  /** u32, by the sender: grows when a receiver that sleeps on this word is woken */
  Bell: 4,
  /** u32, by the sender: 1 while something waits for room */
  WantsRoom: 8,
  /** u32, by the sender: 1 once what it had written before it got the ring is in it */
  Attached: 12,
  /** u32, by the receiver: bytes taken since the beginning, modulo 2^32; on a cache line of its own */
  Tail: 64,
} as const;

export const RING_BYTES_DEFAULT = 1 << 20;
export const RING_BYTES_MIN = 1 << 16;
export const RING_BYTES_MAX = 1 << 28;

export function channelBytes(ringBytes: number): number {
  return 2 * (RING_HEADER_BYTES + ringBytes);
}

export const EntryType = {
  /** padding, up to the end of the ring */
  Pad: 0,
  Message: 1,
  /** a node that the receiver holds a handle to is gone */
  NodeRelease: 2,
  /** gives back `count` references to the receiver's node */
  Release: 3,
  /** a third process may claim a handle to the receiver's node */
  Grant: 4,
  /** claims a handle that a third process has granted to the sender */
  Claim: 5,
  /** what had been charged to a trace of the receiver was given back */
  Credit: 6,
  /** how much others have taken of a user of the sender */
  Window: 7,
  /** a trace of the sender that will not be used again */
  TraceEnd: 8,
  /** the ring is full: what follows is in a larger one, whose descriptor comes with this */
  Switch: 9,
  /** the sender was refused for lack of room, and waits for a Credit or a Window */
  Ask: 10,
} as const;
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

/** Lengths of entries are multiples of this. */
export const ENTRY_ALIGNMENT = 8;

/** Every entry: length u32 (with this header), type u32, stamp f64 (0: see the page), transaction u32, reserved u32. */
export const EntryOffset = { Length: 0, Type: 4, Stamp: 8, Transaction: 16, Body: 24 } as const;

/** Message: then come the references to handles, then the bytes; or both in a segment. */
export const MessageOffset = {
  Target: 24,
  Trace: 28,
  Account: 32,
  Handles: 36,
  Descriptors: 40,
  Bytes: 44,
  /** 0: in the entry; else a segment and its length */
  Segment: 48,
  SegmentBytes: 52,
  /** how many references to a one-shot node the message gives back with the one that it uses */
  Releases: 56,
  Body: 64,
} as const;

/** A handle in a message: kind and flags u32, id or nonce u32, uid u32, process u32. */
export const REFERENCE_BYTES = 16;
export const ReferenceKind = {
  /** of a node of the sender: its export ID */
  Sender: 1,
  /** of a node of the receiver: the sender's import ID, which is the receiver's export ID */
  Receiver: 2,
  /** to a node of a third process, which has been notified (Grant) */
  Third: 3,
} as const;
export const REFERENCE_KIND_MASK = 0xff;
export const ReferenceFlag = { OneShot: 0x100, TakesDescriptors: 0x200 } as const;

export const ReleaseOffset = { Id: 24, Count: 28 } as const;
export const RELEASE_BYTES = 32;
export const NODE_RELEASE_BYTES = 32;
export const GrantOffset = { Id: 24, To: 28, Nonce: 32 } as const;
export const GRANT_BYTES = 40;
export const ClaimOffset = { Grantor: 24, Nonce: 28, As: 32 } as const;
export const CLAIM_BYTES = 40;
export const CreditOffset = { Trace: 24, Objects: 28, Bytes: 32, Descriptors: 40 } as const;
export const CREDIT_BYTES = 48;
export const WindowOffset = { Uid: 24, Claims: 28, Used: 32 } as const;
export const WINDOW_BYTES = 56;
export const TRACE_END_BYTES = 32;
export const ASK_BYTES = 32;
export const SwitchOffset = { Capacity: 24 } as const;
export const SWITCH_BYTES = 32;
/** Always kept free for a Switch, and for the padding that may have to come before it. */
export const SWITCH_RESERVE_BYTES = 64;

/**
 * The length of each entry, by type: exact, or minimal (a message). A reader checks it before anything else of an
 * entry, a writer takes it from here; the fields of each type are in the table beside it.
 */
export const ENTRY_BYTES: readonly number[] = [
  ENTRY_ALIGNMENT, // Pad: at least
  MessageOffset.Body, // Message: at least
  NODE_RELEASE_BYTES,
  RELEASE_BYTES,
  GRANT_BYTES,
  CLAIM_BYTES,
  CREDIT_BYTES,
  WINDOW_BYTES,
  TRACE_END_BYTES,
  SWITCH_BYTES,
  ASK_BYTES,
];

/** Whether an entry of that type may have that length. */
export function isEntry(type: number, lengthBytes: number): boolean {
  const needed = ENTRY_BYTES[type];
  if (needed === undefined) return false;
  return type <= EntryType.Message ? lengthBytes >= needed : lengthBytes === needed;
}

/** Export IDs made by the exporter are a slot and a count; those made by a claimant have the top bit set. */
export const SLOT_BITS = 20;
export const SLOTS_MAX = 1 << SLOT_BITS;
export const CLAIMED_ID = 0x8000_0000;
/** The root node of a domain is exported under this ID by the process that has it, on every channel that is for it. */
export const ROOT_ID = 0xffff_ffff;

/** Messages of this size and more (handles and bytes) travel in a memfd of their own. */
export const SEGMENT_MIN_BYTES = 1 << 16;
/** The largest segment: twice what D-Bus allows a message. */
export const SEGMENT_MAX_BYTES = 1 << 28;
/** Segments that a receiver keeps mapped for one channel. */
export const SEGMENTS_MAX = 8;

/** Handles that one message may carry to another process; what has more is refused, as over the quota. */
export const HANDLES_MAX = 1 << 12;

/** Traces of one sending process, not yet ended; and of all that are not trusted, of one uid. */
export const TRACES_MAX = 1 << 16;
/** Handles that one process has granted and that are not claimed yet; and all that are not trusted, of one uid. */
export const GRANTS_MAX = 1 << 16;
/** Handles that one process has claimed and not given back; and all that are not trusted, of one uid. */
export const CLAIMS_MAX = 1 << 16;
/** The same for claims without a grant. */
export const VAIN_CLAIMS_MAX = 1 << 12;
/** Traces, grants and claims that a process may have whatever the others of its uid have. */
export const ROWS_ALWAYS = 1 << 8;
/**
 * How long what a process had granted can be claimed after its end: a claimant takes the messages of a process that has
 * ended as soon as it is run at all.
 */
export const GRANTS_OUTLIVE_MS = 60_000;
/** Users of one other process that this process keeps records of. */
export const USERS_MAX = 1 << 12;
/**
 * Entries without effect that one process may send, beyond the number of other entries that are exchanged with it.
 */
export const IDLE_ENTRIES_MAX = 1 << 14;
/** How many processes that never existed one process may name. */
export const INVENTED_MAX = 64;
/** Entries that are taken from one process before all others have their turn. */
export const SLICE_ENTRIES = 1024;
/**
 * Of these, grants, claims, handles in messages beyond the first, and entries that lead to work for the process itself
 * (`JoinOptions.afterEntry`).
 */
export const WORK_MAX = 64;
/** What a process that has led to more than twice as much in one run is forgiven of that by each of the next. */
export const WORK_FORGIVEN = 16;

/** Bytes that wait for one process, in the ring or for room in it: beyond this no message is added. */
export const BACKLOG_MAX_BYTES = 1 << 26;
/** The limit with control entries, which must be sent: a process that leaves more than that unread is given up. */
export const BACKLOG_GIVE_UP_BYTES = BACKLOG_MAX_BYTES + (1 << 25);
/** What an entry that waits in the sender's memory counts at least. */
export const WAITING_ENTRY_BYTES = 512;
/** All segments of one channel. */
export const SEGMENTS_BYTES_MAX = 1 << 29;
