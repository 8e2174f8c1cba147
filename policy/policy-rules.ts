import { fitsRole } from './role.js';
import type { ClientOrigin, Role } from './role.js';
import type { ConnectRule, PolicyRule } from './rule.js';

/** Whom a <policy> element is about. */
export type Audience =
  | { readonly kind: 'default' }
  | { readonly kind: 'mandatory' }
  | { readonly kind: 'user'; readonly uid: number }
  | { readonly kind: 'group'; readonly gid: number }
  | { readonly kind: 'console'; readonly atConsole: boolean };

/**
 * All rules of a bus, by audience, each list in file order. Plain data: it survives a structured
 * clone.
 */
export interface PolicyRules {
  readonly default: PolicyRule[];
  readonly byGroup: Map<number, PolicyRule[]>;
  readonly byUser: Map<number, PolicyRule[]>;
  readonly atConsole: PolicyRule[];
  readonly notAtConsole: PolicyRule[];
  readonly mandatory: PolicyRule[];
  readonly roles: Role[];
}

/** The identity of a connection: `gids` holds the primary and all supplementary groups. */
export interface ClientIdentity {
  readonly uid: number;
  readonly gids: readonly number[];
  readonly atConsole: boolean;
  /** absent: nothing is known of it, and roles that ask for it do not fit */
  readonly origin?: ClientOrigin | undefined;
  /** names of roles that it is supposed to be in, whatever their conditions */
  readonly roles?: readonly string[] | undefined;
}

/** A policy without rules: it allows nothing but the bus owner's connections. */
export function emptyPolicyRules(): PolicyRules {
  return {
    default: [],
    byGroup: new Map(),
    byUser: new Map(),
    atConsole: [],
    notAtConsole: [],
    mandatory: [],
    roles: [],
  };
}

function listIn(map: Map<number, PolicyRule[]>, key: number): PolicyRule[] {
  let list = map.get(key);
  if (list === undefined) {
    list = [];
    map.set(key, list);
  }
  return list;
}

/** The list that rules for `audience` are appended to. */
export function rulesOf(rules: PolicyRules, audience: Audience): PolicyRule[] {
  switch (audience.kind) {
    case 'default':
      return rules.default;
    case 'mandatory':
      return rules.mandatory;
    case 'user':
      return listIn(rules.byUser, audience.uid);
    case 'group':
      return listIn(rules.byGroup, audience.gid);
    default:
      return audience.atConsole ? rules.atConsole : rules.notAtConsole;
  }
}

/** Every audience that has rules, with them, in order of precedence (lowest first). */
export function audiencesOf(rules: PolicyRules): [Audience, readonly PolicyRule[]][] {
  const all: [Audience, readonly PolicyRule[]][] = [[{ kind: 'default' }, rules.default]];
  for (const [gid, list] of rules.byGroup) all.push([{ kind: 'group', gid }, list]);
  for (const [uid, list] of rules.byUser) all.push([{ kind: 'user', uid }, list]);
  all.push([{ kind: 'console', atConsole: true }, rules.atConsole]);
  all.push([{ kind: 'console', atConsole: false }, rules.notAtConsole]);
  all.push([{ kind: 'mandatory' }, rules.mandatory]);
  return all;
}

/** Appends the rules of an included file where the including file stands. */
export function appendPolicyRules(target: PolicyRules, source: PolicyRules): void {
  for (const [audience, list] of audiencesOf(source)) rulesOf(target, audience).push(...list);
  target.roles.push(...source.roles);
}

/** All rules, including those of roles. */
export function* allRules(rules: PolicyRules): Generator<PolicyRule> {
  for (const [, list] of audiencesOf(rules)) yield* list;
  for (const role of rules.roles) yield* role.rules;
}

/** The roles of one client, in file order. */
export function rolesOf({ roles }: PolicyRules, client: ClientIdentity): readonly Role[] {
  if (roles.length === 0) return roles;
  const { roles: supposed = [] } = client;
  return roles.filter((role) => supposed.includes(role.name) || fitsRole(role, client));
}

/**
 * The rules for one client, lowest precedence first: default, groups, user, console, roles, mandatory
 * (dbus-daemon(1), "Policies are applied to a connection as follows"). The manual leaves the order
 * of groups open; dbus-daemon 1.14 goes by ascending gid, and so do we.
 */
export function rulesForClient(rules: PolicyRules, client: ClientIdentity): PolicyRule[] {
  const gids = [...new Set(client.gids)].toSorted((a, b) => a - b);
  return [
    ...rules.default,
    ...gids.flatMap((gid) => rules.byGroup.get(gid) ?? []),
    ...(rules.byUser.get(client.uid) ?? []),
    ...(client.atConsole ? rules.atConsole : rules.notAtConsole),
    ...rolesOf(rules, client).flatMap((role) => role.rules),
    ...rules.mandatory,
  ];
}

function connectRuleMatches(rule: ConnectRule, client: ClientIdentity): boolean {
  if (rule.user !== undefined) return rule.user === '*' || rule.user === client.uid;
  return rule.group === '*' || (rule.group !== undefined && client.gids.includes(rule.group));
}

/** A decision and the rule behind it; no rule means the built-in default decided. */
export interface Verdict<Rule extends PolicyRule> {
  readonly allowed: boolean;
  readonly rule?: Rule;
}

/**
 * Whether a client may connect. Only context="default" and "mandatory" count, in that order, the
 * last match wins; without a match, only the owner of the bus may connect
 * (dbus-daemon(1), "Rules with the user or group attribute").
 */
export function canConnect(
  rules: PolicyRules,
  client: ClientIdentity,
  busOwnerUid: number,
): Verdict<ConnectRule> {
  let verdict: Verdict<ConnectRule> = { allowed: client.uid === busOwnerUid };
  for (const rule of [...rules.default, ...rules.mandatory]) {
    if (rule.kind !== 'connect' || !connectRuleMatches(rule, client)) continue;
    verdict = { allowed: rule.allow, rule };
  }
  return verdict;
}
