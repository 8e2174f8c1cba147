import { parseBusName } from '#bridge/wire/names.js';
import { isAmong, type MessageCondition } from '#policy/index.js';

/** What a client may do with a name; each level includes those before it (xdg-dbus-proxy(1), "Policy"). */
export const Access = { None: 0, See: 1, Talk: 2, Own: 3 } as const;
export type Access = (typeof Access)[keyof typeof Access];

export type MessageKind = 'call' | 'broadcast';

/** The fields of a call or a broadcast that rules compare; a missing field is empty. */
export interface RuleSubject {
  readonly path: string;
  readonly interface: string;
  readonly member: string;
}

/** One option of the command line: `--see`, `--talk`, `--own`, `--call` or `--broadcast`. */
export interface NameRule extends MessageCondition {
  readonly name: string;
  /** the names below it are meant, too */
  readonly isSubtree: boolean;
  readonly access: Access;
  /** the messages that it lets through */
  readonly kinds: readonly MessageKind[];
}

const EVERYTHING: readonly MessageKind[] = ['call', 'broadcast'];

/** The rule of `--see=NAME`, `--talk=NAME` or `--own=NAME`; undefined: the name is not valid. */
export function accessRule(pattern: string, access: Access): NameRule | undefined {
  const isSubtree = pattern.endsWith('.*');
  const name = isSubtree ? pattern.slice(0, -2) : pattern;
  if (name.startsWith(':') || parseBusName(name) === undefined) return undefined;
  return { name, isSubtree, access, kinds: EVERYTHING };
}

/** The rule of `--call=NAME=RULE` or `--broadcast=NAME=RULE`; undefined: there is no `=`. */
export function messageRule(text: string, kind: MessageKind): NameRule | undefined {
  const equals = text.indexOf('=');
  if (equals < 0) return undefined;
  const pattern = text.slice(0, equals);
  const isSubtree = pattern.endsWith('.*');
  return {
    name: isSubtree ? pattern.slice(0, -2) : pattern,
    isSubtree,
    access: Access.Talk,
    kinds: [kind],
    ...conditions(text.slice(equals + 1)),
  };
}

/** `[METHOD][@PATH]`, as xdg-dbus-proxy(1) has it. */
function conditions(rule: string): Partial<NameRule> {
  const at = rule.indexOf('@');
  const path = at < 0 ? undefined : rule.slice(at + 1);
  return { ...methodConditions(at < 0 ? rule : rule.slice(0, at)), ...pathConditions(path) };
}

function methodConditions(method: string): Partial<NameRule> {
  if (method === '' || method.startsWith('*')) return {};
  const dot = method.lastIndexOf('.');
  if (dot < 0) return { interface: method };
  const member = method.slice(dot + 1);
  const ofInterface = { interface: method.slice(0, dot) };
  return member.startsWith('*') ? ofInterface : { ...ofInterface, member };
}

function pathConditions(path: string | undefined): Partial<NameRule> {
  if (path === undefined) return {};
  if (path.endsWith('/*')) return { path: path.slice(0, -2), isPathSubtree: true };
  return { path };
}

/** The rules of one proxy, by name. */
export class NameRules {
  readonly rules: readonly NameRule[];
  private readonly byName = new Map<string, NameRule[]>();

  constructor(rules: readonly NameRule[]) {
    // The bus itself can be talked to, whatever the options say.
    const bus = accessRule('org.freedesktop.DBus', Access.Talk)!;
    this.rules = rules;
    for (const rule of [bus, ...rules]) {
      const known = this.byName.get(rule.name);
      if (known === undefined) this.byName.set(rule.name, [rule]);
      else known.push(rule);
    }
  }

  isSameAs({ rules }: NameRules): boolean {
    return JSON.stringify(rules) === JSON.stringify(this.rules);
  }

  /** The rules for a well-known name: its own, and those for the subtrees that it lies in. */
  of(name: string): NameRule[] {
    const found = [...(this.byName.get(name) ?? [])];
    for (let end = name.lastIndexOf('.'); end > 0; end = name.lastIndexOf('.', end - 1)) {
      const above = this.byName.get(name.slice(0, end)) ?? [];
      found.push(...above.filter(({ isSubtree }) => isSubtree));
    }
    return found;
  }
}

export function highestAccess(rules: readonly NameRule[]): Access {
  return rules.reduce<Access>((most, { access }) => (access > most ? access : most), Access.None);
}

/** Whether one of the rules lets the message pass. */
export function lets(rules: readonly NameRule[], kind: MessageKind, subject: RuleSubject): boolean {
  return rules.some((rule) => ruleLets(rule, kind, subject));
}

function ruleLets(rule: NameRule, kind: MessageKind, subject: RuleSubject): boolean {
  if (rule.access < Access.Talk || !rule.kinds.includes(kind)) return false;
  return isAmong(rule, subject);
}
