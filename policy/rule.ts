import type { SourcePosition } from './diagnostic.js';

/** Message types as on the wire (D-Bus specification, "Message Format"); 0 stands for any type. */
export const RuleMessageType = {
  Any: 0,
  MethodCall: 1,
  MethodReturn: 2,
  Error: 3,
  Signal: 4,
} as const;
export type RuleMessageType = (typeof RuleMessageType)[keyof typeof RuleMessageType];

/** libdbus' DBUS_MAXIMUM_MESSAGE_UNIX_FDS: a rule with this max_fds matches any number. */
export const MAX_FDS_ANY = 33_554_432;

interface RuleBase extends SourcePosition {
  readonly allow: boolean;
  /** the role that it is a grant of */
  readonly role?: string;
}

/** <allow user="…"/> or <deny group="…"/>; '*' is everybody. Exactly one of both is given. */
export interface ConnectRule extends RuleBase {
  readonly kind: 'connect';
  readonly user?: number | '*';
  readonly group?: number | '*';
}

/** <allow own="…"/> or <allow own_prefix="…"/>; neither given means every name. */
export interface OwnRule extends RuleBase {
  readonly kind: 'own';
  readonly name?: string;
  readonly prefix?: string;
}

/** A rule of the send_* or receive_* family. An absent field matches everything ("*" in XML). */
export interface MessageRule extends RuleBase {
  readonly kind: 'send' | 'receive';
  readonly messageType: RuleMessageType;
  /** send_destination or receive_sender: a name that the other side owns or waits for. */
  readonly peerName?: string;
  /** send_destination_prefix. */
  readonly peerPrefix?: string;
  readonly path?: string;
  /** the objects below `path` are meant, too; only a role can say so */
  readonly isPathSubtree?: boolean;
  readonly interface?: string;
  readonly member?: string;
  readonly errorName?: string;
  /** send_broadcast. */
  readonly broadcast?: boolean;
  readonly requestedReply: boolean;
  readonly eavesdrop: boolean;
  readonly minFds: number;
  readonly maxFds: number;
  readonly log: boolean;
}

export type PolicyRule = ConnectRule | OwnRule | MessageRule;

/** True if `name` is `prefix` or lies below it: "a.b" covers "a.b" and "a.b.c", not "a.bc". */
export function nameHasPrefix(name: string, prefix: string): boolean {
  return name.startsWith(prefix) && (name.length === prefix.length || name[prefix.length] === '.');
}

/** `file:line` of a rule. */
export function ruleLocation(rule: PolicyRule): string {
  return `${rule.file}:${rule.line}`;
}

const TYPE_NAMES = ['*', 'method_call', 'method_return', 'error', 'signal'] as const;

/** The name of a message type in the configuration language. */
export function messageTypeName(type: number): string {
  return TYPE_NAMES[type] ?? `type ${type}`;
}

function messageAttributes(rule: MessageRule): [string, string | number | boolean | undefined][] {
  const side = rule.kind;
  const peer = side === 'send' ? 'send_destination' : 'receive_sender';
  return [
    [peer, rule.peerName],
    [side === 'send' ? 'send_destination_prefix' : 'receive_sender_prefix', rule.peerPrefix],
    [`${side}_type`, rule.messageType === 0 ? undefined : messageTypeName(rule.messageType)],
    [`${side}_path`, rule.isPathSubtree === true ? `${rule.path}/*` : rule.path],
    [`${side}_interface`, rule.interface],
    [`${side}_member`, rule.member],
    [`${side}_error`, rule.errorName],
    ['send_broadcast', rule.broadcast],
    // Allow rules default to true, deny rules to false: shown only where it differs from that.
    [`${side}_requested_reply`, rule.requestedReply === rule.allow ? undefined : !rule.allow],
    ['eavesdrop', rule.eavesdrop ? true : undefined],
    ['min_fds', rule.minFds === 0 ? undefined : rule.minFds],
    ['max_fds', rule.maxFds === MAX_FDS_ANY ? undefined : rule.maxFds],
    ['log', rule.log ? true : undefined],
  ];
}

function ruleAttributes(rule: PolicyRule): [string, string | number | boolean | undefined][] {
  if (rule.kind === 'connect') {
    return [
      ['user', rule.user],
      ['group', rule.group],
    ];
  }
  if (rule.kind === 'own') {
    return [
      ['own', rule.prefix === undefined ? (rule.name ?? '*') : undefined],
      ['own_prefix', rule.prefix],
    ];
  }
  return messageAttributes(rule);
}

/** The rule as busconfig XML, for error texts and explanations. */
export function describeRule(rule: PolicyRule): string {
  const given = ruleAttributes(rule).filter(([, value]) => value !== undefined);
  if (given.length === 0) given.push([rule.kind === 'send' ? 'send_type' : 'receive_type', '*']);
  const attributes = given.map(([name, value]) => `${name}="${value}"`).join(' ');
  const element = `<${rule.allow ? 'allow' : 'deny'} ${attributes}/>`;
  return rule.role === undefined ? element : `${element} of role "${rule.role}"`;
}
