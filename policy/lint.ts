import { overridesAllBefore } from './client-policy.js';
import type { BusConfig } from './config.js';
import type { SourcePosition } from './diagnostic.js';
import { BUS_NAME, INTERFACE, MEMBER, OBJECT_PATH } from './names.js';
import { audiencesOf } from './policy-rules.js';
import type { Audience } from './policy-rules.js';
import type { Role, RoleGrant } from './role.js';
import {
  MAX_FDS_ANY,
  RuleMessageType,
  describeRule,
  messageTypeName,
  ruleLocation,
} from './rule.js';
import type { MessageRule, OwnRule, PolicyRule } from './rule.js';

export type LintCode =
  | 'never-matches'
  | 'no-effect'
  | 'matches-more'
  | 'overrides-earlier'
  | 'shadowed'
  | 'duplicate'
  | 'contradiction'
  | 'broad-send'
  | 'broad-own'
  | 'receive-rule'
  | 'at-console'
  | 'eavesdrop'
  | 'anonymous'
  | 'broker-differs';

/** Something that is valid, but probably not what its author wants. */
export interface Finding extends SourcePosition {
  readonly code: LintCode;
  readonly message: string;
}

/** Finds rules that do nothing, or more than they seem to do. Findings come in file order. */
export function lintConfig(config: BusConfig): Finding[] {
  const findings: Finding[] = [];
  for (const [audience, rules] of audiencesOf(config.policy)) {
    for (const rule of rules) lintRule(rule, audience, config, findings);
    lintPairs(rules, findings);
  }
  for (const role of config.policy.roles) lintRole(role, config, findings);
  if (config.allowAnonymous) {
    const at = { file: config.files[0] ?? '', line: 1, column: 1 };
    add(findings, at, 'anonymous', '<allow_anonymous/> lets anybody who can reach the bus connect');
  }
  return findings.toSorted(byPosition);
}

function byPosition(a: SourcePosition, b: SourcePosition): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}

function add(findings: Finding[], at: SourcePosition, code: LintCode, message: string): void {
  findings.push({ file: at.file, line: at.line, column: at.column, code, message });
}

function lintRule(
  rule: PolicyRule,
  audience: Audience,
  config: BusConfig,
  findings: Finding[],
): void {
  const say = (code: LintCode, message: string): void => add(findings, rule, code, message);
  if (audience.kind === 'console') {
    say('at-console', 'at_console is deprecated; use polkit, or name a user or group');
  }
  if (rule.kind === 'connect') {
    if (audience.kind === 'console')
      say('no-effect', 'connect rules have an effect in context policies only');
    return;
  }
  if (rule.kind === 'own') return lintOwn(rule, audience, config, say);
  lintMessageValues(rule, say);
  lintMessageType(rule, say);
  lintReach(rule, say);
  lintBroker(rule, say);
}

/** Addresses that are known in advance. Not so `unix:runtime=yes`, what systemd passes, and alternatives. */
const FIXED_PATH = /^unix:(?:path|abstract)=[^,;]+$/u;

/** Conditions that nobody can fulfil, and repeated grants. */
function lintRole(
  { conditions, grants, ...at }: Role,
  config: BusConfig,
  findings: Finding[],
): void {
  const isForNobody = [conditions.user, conditions.group].some((ids) => ids?.length === 0);
  if (isForNobody) add(findings, at, 'never-matches', `role "${at.name}" applies to no client`);
  if (conditions.executable !== undefined && config.user !== undefined) {
    const message =
      `the bus runs as ${config.user}, which may not see what the processes of others execute ` +
      '(ptrace(2), PTRACE_MODE_READ): name a unit in place of the executable';
    add(findings, at, 'never-matches', message);
  }
  const isKnown = config.listen.length > 0 && config.listen.every((text) => FIXED_PATH.test(text));
  for (const listener of isKnown ? (conditions.listener ?? []) : []) {
    if (config.listen.includes(listener)) continue;
    const message = `role "${at.name}" is for clients of ${listener}, where the bus does not listen`;
    add(findings, at, 'never-matches', message);
  }
  const seen = new Map<string, RoleGrant>();
  for (const grant of grants) {
    const { kind, name, isSubtree, path, interface: iface, member } = grant;
    const key = JSON.stringify([kind, name, isSubtree, path, iface, member]);
    const earlier = seen.get(key);
    if (earlier === undefined) seen.set(key, grant);
    else {
      const message = `this repeats ${kind} ${name} at ${earlier.file}:${earlier.line}`;
      add(findings, grant, 'duplicate', message);
    }
  }
}

type Say = (code: LintCode, message: string) => void;

/** Third-party packages of the system bus put their files there, next to everybody else's. */
function isSystemDirectory(file: string): boolean {
  return file.includes('/system.d/');
}

function lintOwn(rule: OwnRule, audience: Audience, config: BusConfig, say: Say): void {
  const name = rule.name ?? rule.prefix;
  if (name !== undefined && !BUS_NAME.test(name)) {
    say('never-matches', `"${name}" is not a bus name${globHint(name)}`);
  }
  const system = isSystemDirectory(rule.file) || config.busType === 'system';
  const everyone = audience.kind === 'default' || audience.kind === 'mandatory';
  if (!rule.allow || !system || !everyone) return;
  const what = name === undefined ? 'every name' : name;
  say('broad-own', `every user may own ${what}; allow it in a <policy user="…"> instead`);
}

function globHint(value: string): string {
  return value.includes('*') ? '; "*" is only understood alone' : '';
}

function lintMessageValues(rule: MessageRule, say: Say): void {
  const values: readonly [string | undefined, RegExp, string][] = [
    [rule.peerName, BUS_NAME, 'bus name'],
    [rule.peerPrefix, BUS_NAME, 'bus name'],
    [rule.interface, INTERFACE, 'interface name'],
    [rule.errorName, INTERFACE, 'error name'],
    [rule.member, MEMBER, 'member name'],
    [rule.path, OBJECT_PATH, 'object path'],
  ];
  for (const [value, syntax, what] of values) {
    if (value === undefined || syntax.test(value)) continue;
    say('never-matches', `"${value}" is not a valid ${what}${globHint(value)}`);
  }
  if (rule.minFds > rule.maxFds) {
    say(
      'never-matches',
      `no message has at least ${rule.minFds} and at most ${rule.maxFds} descriptors`,
    );
  }
}

function lintMessageType(rule: MessageRule, say: Say): void {
  const { messageType: type, kind } = rule;
  const { Any, MethodReturn, Error: ErrorReply, Signal } = RuleMessageType;
  const reply = type === MethodReturn || type === ErrorReply;
  if (rule.broadcast === true && type !== Any && type !== Signal) {
    say('never-matches', 'only signals are broadcast');
  }
  if (rule.errorName !== undefined && type !== ErrorReply) {
    const remedy = `add ${kind}_type="error"`;
    say('matches-more', `${kind}_error matches every message that is not an error, too; ${remedy}`);
  }
  if (reply && rule.interface !== undefined) {
    const what = `messages of type ${messageTypeName(type)} have no interface`;
    if (rule.allow) say('never-matches', `${what}, so this allows nothing`);
    else say('matches-more', `${what}, so this denies all of them`);
  }
  if (!reply && type !== Any && rule.requestedReply !== rule.allow) {
    say('no-effect', `${kind}_requested_reply has no effect on a ${messageTypeName(type)}`);
  }
  if (rule.log && rule.kind === 'receive') say('no-effect', 'log works for send rules only');
}

function lintReach(rule: MessageRule, say: Say): void {
  const anyPeer = (rule.peerName ?? rule.peerPrefix) === undefined;
  if (rule.kind === 'send' && !rule.allow && rule.interface !== undefined && anyPeer) {
    say(
      'matches-more',
      'this also denies every message without an interface, to any destination; add send_destination',
    );
  }
  if (rule.eavesdrop) say('eavesdrop', 'eavesdropping is deprecated; monitors do not need it');
  if (!isSystemDirectory(rule.file)) return;
  if (rule.kind === 'receive') {
    say(
      'receive-rule',
      'receiving is allowed by default; restrict senders by send_destination instead',
    );
  } else if (anyPeer) {
    say('broad-send', 'without send_destination, this applies to messages to all services');
  }
}

/** Rules that dbus-broker 33 reads differently, which it logs itself when it starts. */
function lintBroker(rule: MessageRule, say: Say): void {
  if (rule.peerPrefix !== undefined) {
    say(
      'broker-differs',
      'dbus-broker does not know send_destination_prefix, and applies the rule as if it had none',
    );
  }
  const { Any, MethodReturn, Error: ErrorReply } = RuleMessageType;
  const isAboutReplies = [Any, MethodReturn, ErrorReply].some((type) => type === rule.messageType);
  if (!isAboutReplies || rule.requestedReply === rule.allow) return;
  say(
    'broker-differs',
    'dbus-broker ignores rules about replies: requested replies always pass, others never',
  );
}

/** Conditions by which a rule without subject is narrower than "everything". */
function narrows(rule: MessageRule): boolean {
  const fds = rule.minFds > 0 || rule.maxFds < MAX_FDS_ANY;
  return fds || rule.broadcast !== undefined || (!rule.allow && rule.eavesdrop);
}

function lintPairs(rules: readonly PolicyRule[], findings: Finding[]): void {
  const seen = new Map<string, PolicyRule>();
  for (const [index, rule] of rules.entries()) {
    const key = conditionKey(rule);
    const earlier = seen.get(key);
    if (earlier !== undefined) {
      const code = earlier.allow === rule.allow ? 'duplicate' : 'contradiction';
      const relation = code === 'duplicate' ? 'repeats' : 'reverses';
      add(
        findings,
        rule,
        code,
        `this ${relation} ${describeRule(earlier)} at ${ruleLocation(earlier)}`,
      );
    }
    seen.set(key, rule);
    if (rule.kind === 'send' || rule.kind === 'receive') lintOverride(rules, index, rule, findings);
  }
}

function lintOverride(
  rules: readonly PolicyRule[],
  index: number,
  rule: MessageRule,
  findings: Finding[],
): void {
  if (!overridesAllBefore(rule)) return;
  const before = rules.slice(0, index).filter(({ kind }) => kind === rule.kind);
  if (before.length === 0) return;
  if (narrows(rule)) {
    const message =
      'without type, path, interface, member, error or name, this overrides all ' +
      `${before.length} earlier ${rule.kind} rules, as in dbus-daemon; ` +
      `add ${rule.kind}_type`;
    add(findings, rule, 'overrides-earlier', message);
    return;
  }
  for (const shadowed of before) {
    const message = `this has no effect: ${describeRule(rule)} at ${ruleLocation(rule)} overrides it later`;
    add(findings, shadowed, 'shadowed', message);
  }
}

/** Everything that decides when a rule matches, as one string. */
function conditionKey(rule: PolicyRule): string {
  const { file: _file, line: _line, column: _column, allow, ...conditions } = rule;
  if (conditions.kind === 'connect' || conditions.kind === 'own') return JSON.stringify(conditions);
  const { log: _log, requestedReply, ...rest } = conditions;
  // The default differs between allow and deny, and a default does not tell rules apart.
  return JSON.stringify({ ...rest, special: requestedReply !== allow });
}
