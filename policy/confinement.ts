import type { SourcePosition } from './diagnostic.js';
import type { MessageFacts } from './message.js';
import type { Confinement, GrantKind, RoleGrant } from './role.js';
import { nameHasPrefix } from './rule.js';

/** The verdict on a message by the role that confines a client. */
export interface ConfinementVerdict extends SourcePosition {
  readonly role: string;
  /** hidden: the other side does not exist for the client */
  readonly outcome: 'hidden' | 'denied' | 'passes';
}

const BUS = 'org.freedesktop.DBus';
const CALLING: readonly GrantKind[] = ['talk', 'own', 'call'];
const HEARING: readonly GrantKind[] = ['talk', 'own', 'hear'];

/**
 * Judges a message between a confined client and a peer that has `names`: one that the client sends, or a broadcast
 * that it would receive. For the bus itself, and for peers that have sent to the client before, the session has
 * further rules (bridge/sandbox).
 */
export function judgeConfined(
  { grants, by }: Confinement,
  direction: 'sends' | 'hears',
  names: ReadonlySet<string>,
  facts: MessageFacts,
): ConfinementVerdict {
  const { file, line, column, name: role } = by;
  const about = grants.filter((grant) => [...names].some((name) => isAbout(grant, name)));
  const kinds = direction === 'sends' ? CALLING : HEARING;
  const isGranted = about.some((grant) => kinds.includes(grant.kind) && isAmong(grant, facts));
  const outcome = isGranted || names.has(BUS) ? 'passes' : about.length === 0 ? 'hidden' : 'denied';
  return { role, outcome, file, line, column };
}

/** Whether a confined client may own a name, as far as its roles are concerned. */
export function mayOwnConfined({ grants }: Confinement, name: string): boolean {
  return grants.some((grant) => grant.kind === 'own' && isAbout(grant, name));
}

function isAbout({ name, isSubtree }: RoleGrant, candidate: string): boolean {
  return isSubtree ? nameHasPrefix(candidate, name) : candidate === name;
}

/** The messages that a grant, or an option of a proxy, is about: an absent field matches all. */
export interface MessageCondition {
  readonly path?: string | undefined;
  readonly isPathSubtree?: boolean | undefined;
  readonly interface?: string | undefined;
  readonly member?: string | undefined;
}

/** Whether a message matches the condition; a field that the message does not have is absent, or empty. */
export function isAmong(
  { path, isPathSubtree, interface: iface, member }: MessageCondition,
  message: Pick<MessageFacts, 'path' | 'interface' | 'member'>,
): boolean {
  if (iface !== undefined && iface !== message.interface) return false;
  if (member !== undefined && member !== message.member) return false;
  if (path === undefined || path === message.path) return true;
  return isPathSubtree === true && message.path?.startsWith(`${path}/`) === true;
}
