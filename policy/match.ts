import type { PolicyMessage } from './message.js';
import { MAX_FDS_ANY, RuleMessageType, nameHasPrefix } from './rule.js';
import type { MessageRule } from './rule.js';

/** In which role a message reaches its receiver; a facet is compiled for one of them. */
export const Flow = {
  /** A method call or signal with a destination, to that destination. */
  Directed: 'directed',
  /** A method return or error for a call that awaits it. */
  RequestedReply: 'requested-reply',
  /** A method return or error without a call that awaits it. */
  UnrequestedReply: 'unrequested-reply',
  /** A signal without destination, to one of its subscribers. */
  Broadcast: 'broadcast',
  /** A copy of a message for an eavesdropper, which is not its destination. */
  Eavesdropped: 'eavesdropped',
} as const;
export type Flow = (typeof Flow)[keyof typeof Flow];

const { MethodCall, MethodReturn, Error: ErrorReply, Signal } = RuleMessageType;
const TYPES_OF_FLOW: Readonly<Record<Flow, readonly RuleMessageType[]>> = {
  [Flow.Directed]: [MethodCall, Signal],
  [Flow.RequestedReply]: [MethodReturn, ErrorReply],
  [Flow.UnrequestedReply]: [MethodReturn, ErrorReply],
  [Flow.Broadcast]: [Signal],
  [Flow.Eavesdropped]: [MethodCall, MethodReturn, ErrorReply, Signal],
};

/** The message types that occur in a flow. */
export function typesOfFlow(flow: Flow): readonly RuleMessageType[] {
  return TYPES_OF_FLOW[flow];
}

/** Why a rule does not apply to a message; texts are for explanations. */
export const Mismatch = {
  None: 0,
  Path: 1,
  Interface: 2,
  NoInterface: 3,
  Member: 4,
  ErrorName: 5,
  UnixFds: 6,
} as const;
export type Mismatch = (typeof Mismatch)[keyof typeof Mismatch];

export const MISMATCH_TEXT: Readonly<Record<Mismatch, string>> = {
  [Mismatch.None]: 'matches',
  [Mismatch.Path]: 'other path',
  [Mismatch.Interface]: 'other interface',
  [Mismatch.NoInterface]: 'the message has no interface, which only a deny rule matches',
  [Mismatch.Member]: 'other member',
  [Mismatch.ErrorName]: 'other error name',
  [Mismatch.UnixFds]: 'number of file descriptors out of range',
};

/** A rule with its strings encoded, ready to be compared with bytes. */
export class EncodedRule {
  readonly rule: MessageRule;
  readonly allow: boolean;
  readonly path: Uint8Array | null;
  readonly isPathSubtree: boolean;
  readonly interface: Uint8Array | null;
  readonly member: Uint8Array | null;
  readonly errorName: Uint8Array | null;
  readonly minFds: number;
  readonly maxFds: number;
  /** False if every message that gets as far as the message conditions matches. */
  readonly hasMessageConditions: boolean;

  constructor(rule: MessageRule) {
    this.rule = rule;
    this.allow = rule.allow;
    this.path = encode(rule.path);
    this.isPathSubtree = rule.isPathSubtree === true;
    this.interface = encode(rule.interface);
    this.member = encode(rule.member);
    this.errorName = encode(rule.errorName);
    this.minFds = rule.minFds;
    this.maxFds = rule.maxFds;
    this.hasMessageConditions =
      (this.path ?? this.interface ?? this.member ?? this.errorName) !== null ||
      rule.minFds > 0 ||
      rule.maxFds < MAX_FDS_ANY;
  }
}

const encoder = new TextEncoder();
function encode(text: string | undefined): Uint8Array | null {
  return text === undefined ? null : encoder.encode(text);
}

function sameBytes(bytes: Uint8Array, offset: number, length: number, wanted: Uint8Array): boolean {
  if (length !== wanted.length) return false;
  for (let i = length - 1; i >= 0; i--) if (bytes[offset + i] !== wanted[i]) return false;
  return true;
}

/** Whether the message is about the object at `wanted` or, if the rule is about a subtree, one below it. */
// hot
function pathFits(
  { isPathSubtree }: EncodedRule,
  wanted: Uint8Array,
  message: PolicyMessage,
): boolean {
  const { bytes, pathOffset, pathLength } = message;
  const { length } = wanted;
  if (!isPathSubtree || pathLength === length)
    return sameBytes(bytes, pathOffset, pathLength, wanted);
  const isBelow = pathLength > length && bytes[pathOffset + length] === SLASH;
  return isBelow && sameBytes(bytes, pathOffset, length, wanted);
}

const SLASH = 0x2f;

/**
 * The conditions that depend on the message itself. A message without a path, member or error name
 * matches any rule about it; one without an interface matches deny rules only, so that leaving the
 * interface out opens nothing (dbus-daemon(1), "Be careful with send_interface").
 */
export function messageMismatch(rule: EncodedRule, message: PolicyMessage): Mismatch {
  const { bytes } = message;
  if (rule.path !== null && message.pathLength !== 0) {
    if (!pathFits(rule, rule.path, message)) return Mismatch.Path;
  }
  // Member before interface: in long lists of rules about one interface, the members differ.
  if (rule.member !== null && message.memberLength !== 0) {
    if (!sameBytes(bytes, message.memberOffset, message.memberLength, rule.member)) {
      return Mismatch.Member;
    }
  }
  if (rule.interface !== null) {
    const length = message.interfaceLength;
    if (length === 0) {
      if (rule.allow) return Mismatch.NoInterface;
    } else if (!sameBytes(bytes, message.interfaceOffset, length, rule.interface)) {
      return Mismatch.Interface;
    }
  }
  if (rule.errorName !== null && message.errorNameLength !== 0) {
    if (!sameBytes(bytes, message.errorNameOffset, message.errorNameLength, rule.errorName)) {
      return Mismatch.ErrorName;
    }
  }
  const fds = message.unixFds;
  return fds < rule.minFds || fds > rule.maxFds ? Mismatch.UnixFds : Mismatch.None;
}

/** Why a rule cannot apply to a whole flow to (or from) a peer; undefined if it can. */
export function flowMismatch(
  rule: MessageRule,
  flow: Flow,
  peerNames: ReadonlySet<string>,
): string | undefined {
  if (rule.peerName !== undefined && !peerNames.has(rule.peerName)) {
    const whose = rule.kind === 'send' ? 'receiver' : 'sender';
    return `the ${whose} does not have the name ${rule.peerName}`;
  }
  if (rule.peerPrefix !== undefined && !hasNameBelow(peerNames, rule.peerPrefix)) {
    return `the receiver has no name below ${rule.peerPrefix}`;
  }
  if (rule.broadcast !== undefined && rule.broadcast !== (flow === Flow.Broadcast)) {
    return rule.broadcast ? 'the message is not a broadcast' : 'the message is a broadcast';
  }
  return eavesdropMismatch(rule, flow) ?? replyMismatch(rule, flow);
}

function hasNameBelow(names: ReadonlySet<string>, prefix: string): boolean {
  for (const name of names) if (nameHasPrefix(name, prefix)) return true;
  return false;
}

function eavesdropMismatch(rule: MessageRule, flow: Flow): string | undefined {
  // On send rules, eavesdrop="true" only lifts the restriction to requested replies, below.
  if (rule.kind === 'send') return undefined;
  const eavesdropped = flow === Flow.Eavesdropped;
  if (eavesdropped && rule.allow && !rule.eavesdrop) return 'the rule does not allow eavesdropping';
  if (!eavesdropped && !rule.allow && rule.eavesdrop) return 'the rule is about eavesdropping only';
  return undefined;
}

function replyMismatch(rule: MessageRule, flow: Flow): string | undefined {
  if (flow === Flow.UnrequestedReply && rule.allow && rule.requestedReply && !rule.eavesdrop) {
    return 'the rule allows requested replies only';
  }
  if (flow === Flow.RequestedReply && !rule.allow && !rule.requestedReply) {
    return 'the rule denies unrequested replies only';
  }
  return undefined;
}

/** Like `flowMismatch`, for one message type; replies count as unrequested when they are eavesdropped. */
export function typeMismatch(rule: MessageRule, flow: Flow, type: number): string | undefined {
  if (rule.messageType !== RuleMessageType.Any && rule.messageType !== type) {
    return 'other message type';
  }
  const reply = type === RuleMessageType.MethodReturn || type === RuleMessageType.Error;
  if (flow === Flow.Eavesdropped && reply) return replyMismatch(rule, Flow.UnrequestedReply);
  return undefined;
}
