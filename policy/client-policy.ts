import { EncodedRule } from './match.js';
import { rolesOf, rulesForClient } from './policy-rules.js';
import type { ClientIdentity, PolicyRules, Verdict } from './policy-rules.js';
import { confinementBy, quotasOf } from './role.js';
import type { Confinement, Quotas, Role } from './role.js';
import { RuleMessageType, nameHasPrefix } from './rule.js';
import type { MessageRule, OwnRule, PolicyRule } from './rule.js';

/** A rule that never applies because `by`, a later rule without conditions, overrides it. */
export interface DiscardedRule {
  readonly rule: MessageRule;
  readonly by: MessageRule;
}

/** The rules that apply to one client, in order of precedence, lowest first. */
export class ClientPolicy {
  readonly own: readonly OwnRule[];
  readonly send: readonly EncodedRule[];
  readonly receive: readonly EncodedRule[];
  readonly discarded: readonly DiscardedRule[];
  readonly roles: readonly Role[];
  /** the part of the bus that it sees; undefined: everything */
  readonly confinement: Confinement | undefined;
  /** limits that its roles set */
  readonly quotas: Quotas;
  readonly #names = new Set<string>();
  readonly #prefixes: string[] = [];

  constructor(rules: readonly PolicyRule[], roles: readonly Role[] = []) {
    this.roles = roles;
    this.confinement = confinementBy(roles);
    this.quotas = quotasOf(roles);
    this.own = rules.filter((rule) => rule.kind === 'own');
    const discarded: DiscardedRule[] = [];
    this.send = effective(messageRules(rules, 'send'), discarded);
    this.receive = effective(messageRules(rules, 'receive'), discarded);
    this.discarded = discarded;
    for (const { rule } of [...this.send, ...this.receive]) {
      if (rule.peerName !== undefined) this.#names.add(rule.peerName);
      if (rule.peerPrefix !== undefined) this.#prefixes.push(rule.peerPrefix);
    }
  }

  /** Whether the client may own a well-known name; without a matching rule it may not. */
  canOwn(name: string): Verdict<OwnRule> {
    const rule = this.own.findLast((candidate) => ownRuleMatches(candidate, name));
    return rule === undefined ? { allowed: false } : { allowed: rule.allow, rule };
  }

  /** True if facets with this policy may change when the other side gains or loses `name`. */
  mentionsName(name: string): boolean {
    return this.#names.has(name) || this.#prefixes.some((prefix) => nameHasPrefix(name, prefix));
  }
}

function messageRules(rules: readonly PolicyRule[], kind: MessageRule['kind']): MessageRule[] {
  return rules.filter((rule): rule is MessageRule => rule.kind === kind);
}

function ownRuleMatches(rule: OwnRule, name: string): boolean {
  if (rule.prefix !== undefined) return nameHasPrefix(name, rule.prefix);
  return rule.name === undefined || rule.name === name;
}

/**
 * dbus-daemon 1.14 drops every rule of the same kind before one that says nothing about type, path,
 * interface, member, error and peer, although send_broadcast, *_requested_reply, min_fds, max_fds
 * or eavesdrop may narrow that one (bus/policy.c, bus_client_policy_optimize). That only ever
 * denies more, so fidelity is safe here.
 */
function effective(rules: readonly MessageRule[], discarded: DiscardedRule[]): EncodedRule[] {
  const from = Math.max(rules.findLastIndex(overridesAllBefore), 0);
  const left = rules.slice(from);
  const [by] = left;
  if (by !== undefined) for (const rule of rules.slice(0, from)) discarded.push({ rule, by });
  return left.map(encodeOnce);
}

/** True if the rule overrides every earlier rule of its kind. */
export function overridesAllBefore(rule: MessageRule): boolean {
  const { messageType, path, member, errorName, peerName, peerPrefix } = rule;
  return (
    messageType === RuleMessageType.Any &&
    (path ?? rule.interface ?? member ?? errorName ?? peerName ?? peerPrefix) === undefined
  );
}

/** Rules are shared between clients, so their encoded form is, too. */
const encodedRules = new WeakMap<MessageRule, EncodedRule>();
function encodeOnce(rule: MessageRule): EncodedRule {
  let encoded = encodedRules.get(rule);
  if (encoded === undefined) {
    encoded = new EncodedRule(rule);
    encodedRules.set(rule, encoded);
  }
  return encoded;
}

/**
 * Identities are few (users of one machine); a bound keeps a hostile mix of groups from growing it.
 */
const CACHED_POLICIES_MAX = 1024;

/** Hands out one ClientPolicy for each distinct identity under one set of rules. */
export class ClientPolicies {
  readonly rules: PolicyRules;
  readonly #cache = new Map<string, ClientPolicy>();

  constructor(rules: PolicyRules) {
    this.rules = rules;
  }

  for(client: ClientIdentity): ClientPolicy {
    const { byGroup } = this.rules;
    /* without rules about groups, `client.gids` is not even read */
    const gids = byGroup.size === 0 ? [] : client.gids.filter((gid) => byGroup.has(gid));
    const roles = rolesOf(this.rules, client);
    const which = roles.map((role) => this.rules.roles.indexOf(role)).join();
    const sorted = gids.toSorted((a, b) => a - b).join();
    const key = `${client.uid} ${client.atConsole} ${sorted} ${which}`;
    let policy = this.#cache.get(key);
    if (policy === undefined) {
      policy = new ClientPolicy(rulesForClient(this.rules, client), roles);
      if (this.#cache.size >= CACHED_POLICIES_MAX) this.#cache.clear();
      this.#cache.set(key, policy);
    }
    return policy;
  }
}
