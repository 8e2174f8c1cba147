import type { ClientPolicy } from './client-policy.js';
import { judgeConfined } from './confinement.js';
import type { ConfinementVerdict } from './confinement.js';
import type { Party } from './facet.js';
import {
  Flow,
  MISMATCH_TEXT,
  Mismatch,
  flowMismatch,
  messageMismatch,
  typeMismatch,
} from './match.js';
import type { EncodedRule } from './match.js';
import { policyMessage } from './message.js';
import type { MessageFacts, PolicyMessage } from './message.js';
import type { Verdict } from './policy-rules.js';
import { describeRule, ruleLocation } from './rule.js';
import type { MessageRule, PolicyRule } from './rule.js';

/** The outcome of one rule for the message that was judged. */
export interface ConsideredRule {
  readonly rule: MessageRule;
  readonly outcome: 'decides' | 'overridden' | 'does not match' | 'discarded';
  readonly reason: string;
}

export interface SideExplanation {
  readonly allowed: boolean;
  /** The last rule that matches; undefined if none does, which denies. */
  readonly decidedBy: MessageRule | undefined;
  /** Every rule of this kind, in order of precedence, lowest first. */
  readonly considered: readonly ConsideredRule[];
}

/** A side is undefined where no policy applies: the driver, or a service not yet running. */
export interface Explanation {
  readonly allowed: boolean;
  readonly send: SideExplanation | undefined;
  readonly receive: SideExplanation | undefined;
  /** the verdict of the role that confines one of the two; undefined: none does */
  readonly confinement?: ConfinementVerdict | undefined;
}

/** Judges one message as a facet would, and reports on every rule on the way. */
export function explainMessage(
  sender: Party,
  receiver: Party,
  flow: Flow,
  facts: MessageFacts,
): Explanation {
  const message = policyMessage(facts);
  const send = sender.policy && explainSide(sender.policy, 'send', receiver, flow, message);
  const receive = receiver.policy && explainSide(receiver.policy, 'receive', sender, flow, message);
  const confinement = confinementVerdict(sender, receiver, flow, facts);
  const isShown = confinement === undefined || confinement.outcome === 'passes';
  const allowed = isShown && (send?.allowed ?? true) && (receive?.allowed ?? true);
  return { allowed, send, receive, ...(confinement !== undefined && { confinement }) };
}

/** Replies pass, and so does what is addressed to a confined client. */
function confinementVerdict(
  sender: Party,
  receiver: Party,
  flow: Flow,
  facts: MessageFacts,
): ConfinementVerdict | undefined {
  const ofSender = sender.policy?.confinement;
  const ofReceiver = receiver.policy?.confinement;
  if (flow === Flow.Directed && ofSender !== undefined) {
    return judgeConfined(ofSender, 'sends', receiver.names, facts);
  }
  if (flow === Flow.Broadcast && ofReceiver !== undefined) {
    return judgeConfined(ofReceiver, 'hears', sender.names, facts);
  }
  return undefined;
}

function mismatch(
  encoded: EncodedRule,
  flow: Flow,
  peer: Party,
  message: PolicyMessage,
): string | undefined {
  const { rule } = encoded;
  const known = flowMismatch(rule, flow, peer.names) ?? typeMismatch(rule, flow, message.type);
  if (known !== undefined) return known;
  const reason = messageMismatch(encoded, message);
  return reason === Mismatch.None ? undefined : MISMATCH_TEXT[reason];
}

function explainSide(
  policy: ClientPolicy,
  side: 'send' | 'receive',
  peer: Party,
  flow: Flow,
  message: PolicyMessage,
): SideExplanation {
  const judged = policy[side].map((encoded) => ({
    rule: encoded.rule,
    reason: mismatch(encoded, flow, peer, message),
  }));
  const deciding = judged.findLastIndex(({ reason }) => reason === undefined);
  const discarded = policy.discarded.filter(({ rule }) => rule.kind === side);
  const considered: ConsideredRule[] = discarded.map(({ rule, by }) => {
    const reason = `overridden by ${describeRule(by)} at ${ruleLocation(by)}`;
    return { rule, outcome: 'discarded', reason };
  });
  for (const [index, { rule, reason }] of judged.entries()) {
    if (reason !== undefined) considered.push({ rule, outcome: 'does not match', reason });
    else if (index === deciding)
      considered.push({ rule, outcome: 'decides', reason: 'last match' });
    else considered.push({ rule, outcome: 'overridden', reason: 'a later rule matches, too' });
  }
  const decidedBy = judged[deciding]?.rule;
  return { allowed: decidedBy?.allow ?? false, decidedBy, considered };
}

/** The explanation as lines of text; `all` lists the rules that did not match, too. */
export function formatExplanation(explanation: Explanation, all = false): string[] {
  const lines = [explanation.allowed ? 'allowed' : 'denied'];
  if (explanation.confinement !== undefined) lines.push(formatConfinement(explanation.confinement));
  for (const side of ['send', 'receive'] as const)
    lines.push(...formatSide(side, explanation[side], all));
  return lines;
}

const OUTCOMES: Readonly<Record<ConfinementVerdict['outcome'], string>> = {
  hidden: 'the other side is not visible to it',
  denied: 'no grant covers this message',
  passes: 'a grant allows it',
};

function formatConfinement({ role, outcome, file, line }: ConfinementVerdict): string {
  return `role "${role}" at ${file}:${line} confines the client: ${OUTCOMES[outcome]}`;
}

function formatSide(
  side: 'send' | 'receive',
  explanation: SideExplanation | undefined,
  all: boolean,
): string[] {
  if (explanation === undefined) return [`${side}: allowed, no policy applies`];
  const { allowed, decidedBy, considered } = explanation;
  const rules = considered.filter(({ outcome }) => all || outcome !== 'does not match');
  return [
    `${side}: ${formatVerdict({ allowed, ...(decidedBy && { rule: decidedBy }) })}`,
    ...rules.map(
      ({ rule, outcome, reason }) =>
        `  ${ruleLocation(rule)}: ${describeRule(rule)}: ${outcome} (${reason})`,
    ),
  ];
}

/** One line for a verdict about connecting, owning or a side of a message. */
export function formatVerdict(verdict: Verdict<PolicyRule>): string {
  const word = verdict.allowed ? 'allowed' : 'denied';
  if (verdict.rule === undefined) return `${word}, no rule matches`;
  return `${word} by ${describeRule(verdict.rule)} at ${ruleLocation(verdict.rule)}`;
}
