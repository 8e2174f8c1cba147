import type { SourcePosition } from './diagnostic.js';
import type { BusLimits } from './limits.js';
import { MAX_FDS_ANY, RuleMessageType } from './rule.js';
import type { MessageRule, OwnRule, PolicyRule } from './rule.js';

/**
 * The origin of a client, as the bus found it when the client connected. Only what some role asks for is looked up;
 * a field that is undefined fits no condition.
 */
export interface ClientOrigin {
  /** those of the executables named by roles that are the file which the client's process runs */
  readonly executables?: readonly string[] | undefined;
  /** nothing is known of its process, which has ended, or which the bus cannot see */
  readonly isProcessUnknown?: boolean | undefined;
  /** the path of its control group, as in /proc/PID/cgroup (cgroups(7)) */
  readonly cgroup?: string | undefined;
  /** the label by the security module (SO_PEERSEC, unix(7)) */
  readonly label?: string | undefined;
  /** the address on which the bus accepted it, without guid */
  readonly listener?: string | undefined;
}

/** The clients that a role is for: each condition present must hold for one of its values. An empty one never holds. */
export interface RoleConditions {
  /** '*': everybody */
  readonly user?: readonly (number | '*')[];
  readonly group?: readonly number[];
  readonly executable?: readonly string[];
  /** of the system's service manager */
  readonly unit?: readonly string[];
  /** of a user's service manager */
  readonly userUnit?: readonly string[];
  /** the control group, or one above it */
  readonly cgroup?: readonly string[];
  readonly label?: readonly string[];
  readonly listener?: readonly string[];
}

/** What a role grants; each includes `see`. */
export type GrantKind = 'see' | 'talk' | 'own' | 'call' | 'hear';

/** One entry of a role's lists. */
export interface RoleGrant extends SourcePosition {
  readonly kind: GrantKind;
  readonly name: string;
  /** the names below it are meant, too */
  readonly isSubtree: boolean;
  /** of an object; empty with `isPathSubtree`: all */
  readonly path?: string | undefined;
  /** the objects below `path` are meant, too */
  readonly isPathSubtree?: boolean | undefined;
  readonly interface?: string | undefined;
  readonly member?: string | undefined;
}

/** Limits of dbus-daemon(1) that a role may set for its connections, by what they are called in a role. */
export const QUOTAS = {
  bytes: 'maxOutgoingBytes',
  descriptors: 'maxOutgoingUnixFds',
  matches: 'maxMatchRulesPerConnection',
  names: 'maxNamesPerConnection',
  replies: 'maxRepliesPerConnection',
  connections: 'maxConnectionsPerUser',
} as const satisfies Record<string, keyof BusLimits>;

export type Quotas = Partial<Pick<BusLimits, (typeof QUOTAS)[keyof typeof QUOTAS]>>;

/** A set of clients and what the policy grants them. Plain data: it survives a structured clone. */
export interface Role extends SourcePosition {
  readonly name: string;
  readonly conditions: RoleConditions;
  readonly grants: readonly RoleGrant[];
  /** the grants as rules of the policy */
  readonly rules: readonly PolicyRule[];
  /** for its clients, names that no grant is about do not exist */
  readonly isConfined: boolean;
  readonly quotas: Quotas;
}

/** The part of the bus that a client may see. */
export interface Confinement {
  readonly grants: readonly RoleGrant[];
  /** the role that confines the client */
  readonly by: Role;
}

/** The part of the bus that a client's roles show it; undefined: everything. */
export function confinementBy(roles: readonly Role[]): Confinement | undefined {
  const by = roles.find(({ isConfined }) => isConfined);
  return by && { grants: roles.flatMap(({ grants }) => grants), by };
}

/** What role conditions have to know of a client. */
export interface RoleSubject {
  readonly uid: number;
  readonly gids: readonly number[];
  readonly origin?: ClientOrigin | undefined;
}

/** Whether a role is for this client. */
export function fitsRole(role: Role, client: RoleSubject): boolean {
  return fitsClient(role, client) && fitsProcess(role, client.origin);
}

/**
 * Whether a role that confines might be for this client, depending on its process, which is unknown: it may have ended
 * on purpose.
 */
export function mightConfine(role: Role, client: RoleSubject): boolean {
  const { origin } = client;
  const isUnknown = origin === undefined || origin.isProcessUnknown === true;
  return isUnknown && role.isConfined && asksForProcess(role) && fitsClient(role, client);
}

function asksForProcess({ conditions: { executable, unit, userUnit, cgroup } }: Role): boolean {
  return [executable, unit, userUnit, cgroup].some((each) => each !== undefined);
}

function fitsClient({ conditions }: Role, { uid, gids, origin = {} }: RoleSubject): boolean {
  const { user, group, label, listener } = conditions;
  if (user !== undefined && !user.some((each) => each === '*' || each === uid)) return false;
  if (group !== undefined && !group.some((each) => gids.includes(each))) return false;
  return holds(label, origin.label) && holds(listener, origin.listener);
}

function fitsProcess({ conditions }: Role, origin: ClientOrigin = {}): boolean {
  const { executable, unit, userUnit, cgroup } = conditions;
  const units = unitsOf(origin.cgroup);
  return (
    (executable === undefined || executable.some((each) => origin.executables?.includes(each))) &&
    holds(unit, units.system) &&
    holds(userUnit, units.user) &&
    (cgroup === undefined || cgroup.some((each) => isInCgroup(origin.cgroup, each)))
  );
}

function holds(wanted: readonly string[] | undefined, actual: string | undefined): boolean {
  return wanted === undefined || (actual !== undefined && wanted.includes(actual));
}

function isInCgroup(actual: string | undefined, wanted: string): boolean {
  if (actual === undefined) return false;
  const above = wanted.endsWith('/') ? wanted : `${wanted}/`;
  return actual === wanted || actual.startsWith(above);
}

/** A component of the path of a control group that is a unit, but not a slice (systemd.unit(5)). */
const UNIT = /\.(?:service|scope|socket|mount|swap)$/u;
const USER_MANAGER = /^user@\d+\.service$/u;

/**
 * The units that a control group belongs to. The first unit below the slices is the system's. What follows is delegated
 * by systemd, and the delegate can name it at will; below `user@UID.service`, the delegate is that user's manager.
 */
function unitsOf(cgroup: string | undefined): { system?: string; user?: string } {
  const parts = (cgroup ?? '').split('/').slice(1).map(unescaped);
  const system = takeUnit(parts);
  if (system === undefined) return {};
  const user = USER_MANAGER.test(system) ? takeUnit(parts) : undefined;
  return user === undefined ? { system } : { system, user };
}

/** Takes off all up to the first unit, which it returns if nothing but slices stands before it. */
function takeUnit(parts: string[]): string | undefined {
  let part = parts.shift();
  while (part?.endsWith('.slice')) part = parts.shift();
  return part !== undefined && UNIT.test(part) ? part : undefined;
}

/** systemd puts an underscore in front of names that the kernel could take for its own files (cg_escape). */
function unescaped(part: string): string {
  return part.startsWith('_') ? part.slice(1) : part;
}

/** The limits that these roles set; of two that set the same, the later one counts. */
export function quotasOf(roles: readonly Role[]): Quotas {
  let all: Quotas = {};
  for (const { quotas } of roles) all = { ...all, ...quotas };
  return all;
}

/** The rules of the policy that follow from one grant. */
export function rulesOfGrant(grant: RoleGrant, role: string): PolicyRule[] {
  const sends = send(grant, role);
  const receives = receive(grant, role);
  const { MethodCall, Signal } = RuleMessageType;
  const rules: Readonly<Record<GrantKind, PolicyRule[]>> = {
    see: [],
    talk: [sends, receives],
    own: [own(grant, role), sends, receives],
    call: [{ ...sends, messageType: MethodCall }],
    hear: [{ ...receives, messageType: Signal }],
  };
  return rules[grant.kind];
}

function own({ name, isSubtree, file, line, column }: RoleGrant, role: string): OwnRule {
  const which = isSubtree ? { prefix: name } : { name };
  return { kind: 'own', file, line, column, allow: true, role, ...which };
}

function send(grant: RoleGrant, role: string): MessageRule {
  return { ...about(grant), kind: 'send', role };
}

function receive(grant: RoleGrant, role: string): MessageRule {
  return { ...about(grant), kind: 'receive', role };
}

function about(grant: RoleGrant): Omit<MessageRule, 'kind'> {
  const { name, isSubtree, file, line, column, interface: iface, member } = grant;
  const { path, isPathSubtree } = grant;
  return {
    file,
    line,
    column,
    allow: true,
    ...(isSubtree ? { peerPrefix: name } : { peerName: name }),
    ...(path !== undefined && { path }),
    ...(isPathSubtree === true && { isPathSubtree }),
    ...(iface !== undefined && { interface: iface }),
    ...(member !== undefined && { member }),
    messageType: RuleMessageType.Any,
    requestedReply: true,
    eavesdrop: false,
    minFds: 0,
    maxFds: MAX_FDS_ANY,
    log: false,
  };
}
