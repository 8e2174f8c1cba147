import type { Handle, Node, Peer } from '#core/index.js';
import type {
  BusLimits,
  ClientIdentity,
  ClientOrigin,
  ClientPolicy,
  Party,
  Quotas,
} from '#policy/index.js';
import { Serials } from '#bridge/wire/serials.js';

import type { DirectoryHandle } from './directory.js';
import { bool, bytes, list, optional, record, text, u32, type FieldType } from './field-types.js';
import type { Grant } from './grants.js';
import { MatchIds } from './match-ids.js';

/** The process at the other end, as the kernel noted it when the socket was connected (SO_PEERCRED and relatives). */
export interface Credentials {
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly pid: number | undefined;
  /** supplementary groups and the primary one, sorted; undefined when the kernel does not report them */
  readonly groups: readonly number[] | undefined;
  /** refers to the process even after its pid has been reused; owned by the connection */
  readonly pidFd: number | undefined;
  /** without the terminating NUL */
  readonly securityLabel: Uint8Array | undefined;
  /** whether the user is logged in at this machine; false if no rule of the policy depends on it */
  readonly atConsole: boolean;
  /** the facts that roles depend on; undefined if no role depends on any */
  readonly origin: ClientOrigin | undefined;
}

/** Of a path of the file system, an address or a security label: longer than any that the kernel reports. */
const FACT = text(1 << 16);

const ORIGIN: FieldType<ClientOrigin> = record(
  {},
  {
    executables: list(FACT, 1 << 16),
    isProcessUnknown: bool,
    cgroup: FACT,
    label: FACT,
    listener: FACT,
  },
);

/** Credentials as they are sent to another process: a descriptor means nothing there. */
export const CREDENTIALS: FieldType<Omit<Credentials, 'pidFd'>> = record({
  uid: optional(u32),
  gid: optional(u32),
  pid: optional(u32),
  /* NGROUPS_MAX (limits.h), and the primary group */
  groups: optional(list(u32, (1 << 16) + 1)),
  securityLabel: optional(bytes(1 << 16)),
  atConsole: bool,
  origin: optional(ORIGIN),
});

/**
 * All that the policy knows of a connection: the rules for its user and groups, and those of its names that some rule
 * mentions. Connections that agree in both share one, so what is decided for one of a user's clients holds for all.
 */
export interface Standing extends Party {
  readonly policy: ClientPolicy | undefined;
}

/** An object with a standing, which changes with the policy and with the names that it owns or waits for. */
export interface Subject {
  readonly names: ReadonlySet<string>;
  standing: Standing;
}

/** The standing of a connection that the policy has not classified yet. */
export const NO_STANDING: Standing = { policy: undefined, names: new Set() };

/** The user of a client without credentials: no rule names it. */
export const NOBODY = -1;

/**
 * A client as the policy sees it. Looks up the groups only if some rule depends on groups; the kernel may report only
 * the primary one.
 */
export function identityOf(credentials: Credentials): ClientIdentity {
  return new Identity(credentials);
}

class Identity implements ClientIdentity {
  readonly uid: number;
  readonly atConsole: boolean;
  readonly origin: ClientOrigin | undefined;
  private readonly credentials: Credentials;

  constructor(credentials: Credentials) {
    this.uid = credentials.uid ?? NOBODY;
    this.atConsole = credentials.atConsole;
    this.origin = credentials.origin;
    this.credentials = credentials;
  }

  get gids(): readonly number[] {
    const { groups, gid } = this.credentials;
    return groups ?? (gid === undefined ? [] : [gid]);
  }
}

/** The credentials of a client whose socket does not carry any. */
export const NO_CREDENTIALS: Credentials = {
  uid: undefined,
  gid: undefined,
  pid: undefined,
  groups: undefined,
  pidFd: undefined,
  securityLabel: undefined,
  atConsole: false,
  origin: undefined,
};

/** Figures that the host of a connection reports. Totals are since it connected. */
export interface ConnectionFigures {
  readonly incomingMessages: number;
  readonly incomingBytes: number;
  readonly outgoingMessages: number;
  readonly outgoingBytes: number;
  readonly waitingIncomingBytes: number;
  readonly waitingIncomingDescriptors: number;
  readonly waitingOutgoingMessages: number;
  readonly waitingOutgoingBytes: number;
  readonly waitingOutgoingDescriptors: number;
  readonly peakOutgoingBytes: number;
  /** its calls that await a reply, and calls that await its reply */
  readonly pendingCalls: number;
  readonly owedReplies: number;
  /** handles that it keeps to names it has sent to */
  readonly destinations: number;
}

/** The figures of a connection that no host reports on. */
export const NO_FIGURES: ConnectionFigures = {
  incomingMessages: 0,
  incomingBytes: 0,
  outgoingMessages: 0,
  outgoingBytes: 0,
  waitingIncomingBytes: 0,
  waitingIncomingDescriptors: 0,
  waitingOutgoingMessages: 0,
  waitingOutgoingBytes: 0,
  waitingOutgoingDescriptors: 0,
  peakOutgoingBytes: 0,
  pendingCalls: 0,
  owedReplies: 0,
  destinations: 0,
};

/** Stands for the unique name of a connection that has not said Hello (the reference daemon's `bus/dispatch.c`). */
export const NOT_ACTIVE_YET = ':not.active.yet';

/** A connection as the registry and the driver know it; they do not know its socket. */
export class Connection implements Subject {
  /** the number of the unique name (envelope.ts); -1 before Hello */
  number = -1;
  uniqueName = NOT_ACTIVE_YET;
  readonly credentials: Credentials;
  /** what the policy knows of it */
  standing: Standing = NO_STANDING;
  /** the unique name, and every name held or waited for */
  readonly names = new Set<string>();
  readonly figures: () => ConnectionFigures;

  /** the registry's handle to the node under which the unique name is reached */
  inbox!: DirectoryHandle;
  /** the driver's own handle to that node */
  driverInbox!: Handle;
  /** messages of this connection to the driver arrive here: it alone holds a handle to this node */
  driverNode!: Node;
  registryNode!: Node;

  /** the registry's handles to the name nodes, of names held and of names waited for */
  readonly nameHandles = new Map<string, DirectoryHandle>();
  /** ids in the match index: of the unique name and of each name held */
  readonly matchIds = new MatchIds();
  matchRuleCount = 0;
  peakMatchRuleCount = 0;
  peakNameCount = 0;
  isMonitor = false;
  /** its process in the domain; 0 is that of the registry */
  process = 0;
  /** a program that joined the domain itself: only its receivers check what it sends */
  isNative = false;
  /** by number, the connections that have been introduced to a native peer, and what they may send to it */
  readonly introduced = new Map<number, Grant>();
  takesDescriptors = false;
  /** the peer on whose behalf its broadcasts are charged to their receivers; null: the bus */
  payer: Peer | null = null;
  live = true;

  /** of the driver's messages to this connection */
  readonly serials = new Serials();

  constructor(credentials: Credentials, figures: () => ConnectionFigures) {
    this.credentials = credentials;
    this.figures = figures;
  }

  /** The limit `maxRepliesPerConnection`, which every call asks for: in code that reads no other one. */
  // hot
  maxReplies(limits: BusLimits): number {
    return this.standing.policy?.quotas.maxRepliesPerConnection ?? limits.maxRepliesPerConnection;
  }

  /** A limit of the bus, unless the connection's roles set another one. */
  limit(quota: keyof Quotas, limits: BusLimits): number {
    return this.standing.policy?.quotas[quota] ?? limits[quota];
  }

  /** the rules for this user and these groups */
  get policy(): ClientPolicy | undefined {
    return this.standing.policy;
  }

  get isActive(): boolean {
    return this.number >= 0;
  }
}
