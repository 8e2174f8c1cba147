import type { ConfinementVerdict } from './confinement.js';
import { type Explanation, type SideExplanation } from './explain.js';
import type { Party } from './facet.js';
import { Flow } from './match.js';
import type { MessageFacts } from './message.js';
import type { Verdict } from './policy-rules.js';
import {
  describeRule,
  MAX_FDS_ANY,
  RuleMessageType,
  ruleLocation,
  type MessageRule,
  type OwnRule,
  type PolicyRule,
} from './rule.js';

/** The message that was judged. */
export interface JudgedMessage {
  readonly sender: Party;
  readonly receiver: Party;
  readonly flow: Flow;
  readonly facts: MessageFacts;
}

/**
 * The smallest changes of the configuration that reverse the verdict, each as a rule and where to put it. A message
 * that is denied to the sender and to the receiver needs both.
 */
export function remediesFor(explanation: Explanation, message: JudgedMessage): string[] {
  const { allowed, send, receive, confinement } = explanation;
  if (!allowed) {
    const grants = confinement === undefined ? [] : grantFor(confinement, message);
    const rules = (['send', 'receive'] as const).flatMap((kind) => {
      const side = explanation[kind];
      return side === undefined || side.allowed ? [] : [remedy(kind, side, message)];
    });
    return [...grants, ...rules];
  }
  if (send !== undefined) return [remedy('send', send, message)];
  return receive === undefined ? [] : [remedy('receive', receive, message)];
}

/** Like `remediesFor`, for the right to own a name. */
export function remedyForOwning(name: string, { allowed, rule }: Verdict<PolicyRule>): string {
  const wanted: OwnRule = { kind: 'own', allow: !allowed, name, file: '', line: 0, column: 0 };
  return placed(wanted, rule);
}

/** What to add to the role that confines the client. */
function grantFor(
  { role, outcome, file, line }: ConfinementVerdict,
  { sender, receiver, flow }: JudgedMessage,
): string[] {
  if (outcome === 'passes') return [];
  const { names } = flow === Flow.Broadcast ? sender : receiver;
  const name = [...names].find((each) => !each.startsWith(':')) ?? 'NAME';
  const key = flow === Flow.Broadcast ? 'hear' : 'call';
  return [`to allow it: ${key}: [${name}] in role "${role}" at ${file}:${line}`];
}

function remedy(
  kind: 'send' | 'receive',
  { allowed, decidedBy }: SideExplanation,
  message: JudgedMessage,
): string {
  return placed(ruleFor(kind, !allowed, message), decidedBy);
}

function placed(rule: PolicyRule, behind: PolicyRule | undefined): string {
  const where = whereTo(behind);
  return `to ${rule.allow ? 'allow' : 'deny'} it: ${describeRule(rule)}, ${where}`;
}

/** A role can only grant, so a rule that is to override it has to be mandatory. */
function whereTo(behind: PolicyRule | undefined): string {
  if (behind === undefined) return 'in <policy context="default">';
  if (behind.role !== undefined) return 'in <policy context="mandatory">';
  return `after ${ruleLocation(behind)}`;
}

/** How a rule names this type; a rule for any type, if it has no name. */
function typeFor(type: number): RuleMessageType {
  return Object.values(RuleMessageType).find((each) => each === type) ?? RuleMessageType.Any;
}

/** A rule that matches this message, and as few others as the configuration language can express. */
function ruleFor(
  kind: 'send' | 'receive',
  allow: boolean,
  { sender, receiver, flow, facts }: JudgedMessage,
): MessageRule {
  const peer = kind === 'send' ? receiver : sender;
  const peerName = [...peer.names].find((name) => !name.startsWith(':'));
  const { interface: iface, member, path, errorName, type } = facts;
  /* a member needs one of the two beside it */
  const withPath = iface === undefined && path !== undefined;
  const isNamed = iface !== undefined || errorName !== undefined || withPath;
  return {
    kind,
    allow,
    messageType: isNamed ? RuleMessageType.Any : typeFor(type),
    ...(peerName !== undefined && { peerName }),
    ...(iface !== undefined && { interface: iface }),
    ...(withPath && { path }),
    ...(member !== undefined && (iface !== undefined || withPath) && { member }),
    ...(errorName !== undefined && { errorName }),
    requestedReply: allow ? flow !== Flow.UnrequestedReply : flow === Flow.RequestedReply,
    eavesdrop: flow === Flow.Eavesdropped,
    minFds: 0,
    maxFds: MAX_FDS_ANY,
    log: false,
    file: '',
    line: 0,
    column: 0,
  };
}
