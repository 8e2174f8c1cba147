/**
 * Match rules: what a connection asks for with AddMatch and BecomeMonitor.
 * D-Bus specification, "Match Rules".
 */

import { ARG_INDEX_MAX, MATCH_RULE_MAX_LENGTH } from '#bridge/wire/limits.js';
import {
  parseBusName,
  parseInterfaceName,
  parseMemberName,
  parseObjectPath,
} from '#bridge/wire/names.js';
import type { BusName, InterfaceName, MemberName, ObjectPath } from '#bridge/wire/names.js';
import { ErrorName } from '#bridge/wire/standard-errors.js';
import { MessageType } from '#bridge/wire/types.js';
import { tokenizeMatchRule } from './match-rule-tokens.js';

export type MatchArgumentKind = 'string' | 'path' | 'namespace';

/** One of arg0..arg63 (`string`), arg0path..arg63path (`path`), arg0namespace (`namespace`). */
export interface MatchArgument {
  readonly index: number;
  readonly kind: MatchArgumentKind;
  readonly value: string;
}

/** A parsed rule; `undefined` stands for a key that the rule does not have. */
export interface MatchRule {
  readonly type: MessageType | undefined;
  readonly sender: BusName | undefined;
  readonly interface: InterfaceName | undefined;
  readonly member: MemberName | undefined;
  readonly path: ObjectPath | undefined;
  readonly pathNamespace: ObjectPath | undefined;
  readonly destination: BusName | undefined;
  readonly eavesdrop: boolean;
  /** In ascending order of the index; an index occurs once. */
  readonly args: readonly MatchArgument[];
  /** Canonical form: two rules mean the same exactly if their texts are equal. */
  readonly text: string;
}

export type MatchRuleFaultCode = 'match-rule-invalid' | 'match-rule-too-long';

/** Why a text is not a match rule. */
export class MatchRuleFault {
  readonly code: MatchRuleFaultCode;
  readonly message: string;

  constructor(code: MatchRuleFaultCode, message: string) {
    this.code = code;
    this.message = message;
  }

  /** The D-Bus error that the sender of the rule gets. */
  get errorName(): string {
    return this.code === 'match-rule-too-long'
      ? ErrorName.LimitsExceeded
      : ErrorName.MatchRuleInvalid;
  }
}

type MutableRule = { -readonly [Key in keyof Omit<MatchRule, 'args' | 'text'>]: MatchRule[Key] } & {
  args: MatchArgument[];
};

const MESSAGE_TYPES = new Map<string, MessageType>([
  ['method_call', MessageType.MethodCall],
  ['method_return', MessageType.MethodReturn],
  ['error', MessageType.Error],
  ['signal', MessageType.Signal],
]);

/**
 * Parses the text of a match rule; a rule without keys matches every broadcast.
 *
 * Accepts what dbus-daemon 1.14 accepts, with one difference: that daemon silently drops every key
 * after the sixteenth, so that such a rule matches more than it says. Here all keys count.
 */
export function parseMatchRule(text: string): MatchRule | MatchRuleFault {
  const lengthBytes = Buffer.byteLength(text);
  if (lengthBytes > MATCH_RULE_MAX_LENGTH) {
    return new MatchRuleFault(
      'match-rule-too-long',
      `the match rule has ${lengthBytes} bytes, the limit is ${MATCH_RULE_MAX_LENGTH}`,
    );
  }
  const tokens = tokenizeMatchRule(text);
  if (!Array.isArray(tokens)) return invalid(text, tokens.message);

  const rule = emptyRule();
  for (const { key, value } of tokens) {
    const problem = key.startsWith('arg')
      ? setArgument(rule, key, value)
      : setKey(rule, key, value);
    if (problem !== undefined) return invalid(text, problem);
  }
  const sorted = { ...rule, args: rule.args.toSorted((a, b) => a.index - b.index) };
  return { ...sorted, text: formatMatchRule(sorted) };
}

/** Parses a rule that is known to be valid, such as one that the registry has accepted. */
export function validMatchRule(text: string): MatchRule {
  const rule = parseMatchRule(text);
  if (rule instanceof MatchRuleFault) throw new Error(`the match rule ${text}: ${rule.message}`);
  return rule;
}

/** The same rule for a monitor: it also matches messages that are addressed to others (BecomeMonitor). */
export function asMonitorRule(rule: MatchRule): MatchRule {
  const monitoring = { ...rule, eavesdrop: true };
  return { ...monitoring, text: formatMatchRule(monitoring) };
}

/** Canonical text, with keys in the order in which dbus-daemon's GetAllMatchRules prints them. */
export function formatMatchRule(rule: Omit<MatchRule, 'text'>): string {
  const parts: string[] = [];
  const add = (key: string, value: string | undefined): void => {
    if (value !== undefined) parts.push(`${key}='${value.replaceAll("'", String.raw`'\''`)}'`);
  };
  for (const [name, type] of MESSAGE_TYPES) if (type === rule.type) add('type', name);
  add('interface', rule.interface);
  add('member', rule.member);
  add('path', rule.path);
  add('path_namespace', rule.pathNamespace);
  add('sender', rule.sender);
  add('destination', rule.destination);
  if (rule.eavesdrop) add('eavesdrop', 'true');
  for (const { index, kind, value } of rule.args) {
    add(`arg${index}${kind === 'string' ? '' : kind}`, value);
  }
  return parts.join(',');
}

function emptyRule(): MutableRule {
  return {
    type: undefined,
    sender: undefined,
    interface: undefined,
    member: undefined,
    path: undefined,
    pathNamespace: undefined,
    destination: undefined,
    eavesdrop: false,
    args: [],
  };
}

function invalid(text: string, problem: string): MatchRuleFault {
  return new MatchRuleFault('match-rule-invalid', `match rule "${text}": ${problem}`);
}

/** Sets a key other than argN; returns what is wrong with it. */
function setKey(rule: MutableRule, key: string, value: string): string | undefined {
  switch (key) {
    case 'type':
      return setOnce(rule, 'type', key, value, MESSAGE_TYPES.get(value));
    case 'sender':
      return setOnce(rule, 'sender', key, value, parseBusName(value));
    case 'interface':
      return setOnce(rule, 'interface', key, value, parseInterfaceName(value));
    case 'member':
      return setOnce(rule, 'member', key, value, parseMemberName(value));
    case 'destination':
      return setOnce(rule, 'destination', key, value, parseBusName(value));
    case 'path':
    case 'path_namespace':
      return setPath(rule, key, value);
    case 'eavesdrop':
      // May be repeated, the last one counts: monitors append eavesdrop=false to any rule.
      rule.eavesdrop = value === 'true';
      return value === 'true' || value === 'false'
        ? undefined
        : `eavesdrop is "${value}", it must be "true" or "false"`;
    default:
      return `the key "${key}" is unknown`;
  }
}

function setOnce<Key extends keyof MutableRule>(
  rule: MutableRule,
  field: Key,
  key: string,
  text: string,
  value: MutableRule[Key],
): string | undefined {
  if (rule[field] !== undefined) return `the key "${key}" occurs twice`;
  if (value === undefined) return `"${text}" is not a valid ${key}`;
  rule[field] = value;
  return undefined;
}

function setPath(rule: MutableRule, key: string, value: string): string | undefined {
  if (rule.path !== undefined || rule.pathNamespace !== undefined) {
    return 'path and path_namespace may occur once, and not together';
  }
  const field = key === 'path' ? 'path' : 'pathNamespace';
  return setOnce(rule, field, key, value, parseObjectPath(value));
}

/** Sets an argN, argNpath or arg0namespace key; returns what is wrong with it. */
function setArgument(rule: MutableRule, key: string, value: string): string | undefined {
  const parsed = /^arg(\+?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*))(.*)$/su.exec(key);
  const [, number, suffix] = parsed ?? [];
  if (number === undefined || suffix === undefined)
    return `the key "${key}" lacks an argument number`;
  const index = parseIndex(number);
  const kind = argumentKind(key, suffix);
  if (kind === undefined) {
    return `the key "${key}" must be arg${index}, arg${index}path or arg0namespace`;
  }
  if (index > ARG_INDEX_MAX) return `the key "${key}" exceeds the last argument, ${ARG_INDEX_MAX}`;
  if (kind === 'namespace' && !isBusNamespace(value)) {
    return `"${value}" is not the beginning of a bus name`;
  }
  if (rule.args.some((arg) => arg.index === index)) return `argument ${index} is matched twice`;
  rule.args.push({ index, kind, value });
  return undefined;
}

/** dbus-daemon reads the number as strtoul(3) with base 0 does: octal and hexadecimal count. */
function parseIndex(text: string): number {
  const digits = text.replace('+', '');
  return /^0[0-7]/u.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
}

function argumentKind(key: string, suffix: string): MatchArgumentKind | undefined {
  if (suffix === '') return 'string';
  if (suffix === 'path') return 'path';
  return key === 'arg0namespace' ? 'namespace' : undefined;
}

/** A bus name, or a single element of one ("com"), which is not a bus name on its own. */
function isBusNamespace(value: string): boolean {
  return parseBusName(value) !== undefined || /^[A-Za-z_-][A-Za-z0-9_-]{0,254}$/u.test(value);
}
