import { diagnosticAt } from './diagnostic.js';
import type { Diagnostic, DiagnosticCode, SourcePosition } from './diagnostic.js';
import { leadingInteger } from './integer.js';
import { resolveGroup, resolveUser } from './io.js';
import type { PolicyIo } from './io.js';
import type { Audience } from './policy-rules.js';
import { MAX_FDS_ANY, RuleMessageType } from './rule.js';
import type { ConnectRule, MessageRule, OwnRule, PolicyRule } from './rule.js';

export interface Attribute {
  readonly value: string;
  readonly at: SourcePosition;
}
export type Attributes = ReadonlyMap<string, Attribute>;

/**
 * An <allow> or <deny> as written. `audience` is undefined if its <policy> names an unknown user or group.
 */
export interface RuleText {
  readonly allow: boolean;
  readonly at: SourcePosition;
  readonly attributes: Attributes;
  readonly audience: Audience | undefined;
}

export interface RuleReading {
  readonly rules: readonly PolicyRule[];
  readonly diagnostics: readonly Diagnostic[];
}

const FIELDS = ['interface', 'member', 'error', 'path', 'type', 'requested_reply'];
const SEND_ATTRIBUTES = new Set([
  ...FIELDS.map((field) => `send_${field}`),
  'send_destination',
  'send_destination_prefix',
  'send_broadcast',
]);
const RECEIVE_ATTRIBUTES = new Set([
  ...FIELDS.map((field) => `receive_${field}`),
  'receive_sender',
]);
const MODIFIERS = new Set(['eavesdrop', 'min_fds', 'max_fds', 'log']);
const LONE_ATTRIBUTES = ['own', 'own_prefix', 'user', 'group'] as const;
const ATTRIBUTES = new Set<string>([
  ...SEND_ATTRIBUTES,
  ...RECEIVE_ATTRIBUTES,
  ...MODIFIERS,
  ...LONE_ATTRIBUTES,
]);

const MESSAGE_TYPES: Readonly<Record<string, RuleMessageType>> = {
  '*': RuleMessageType.Any,
  method_call: RuleMessageType.MethodCall,
  method_return: RuleMessageType.MethodReturn,
  error: RuleMessageType.Error,
  signal: RuleMessageType.Signal,
};

/**
 * Reads one rule, with the checks of dbus-daemon 1.14. A text that fails a check yields an error and no
 * rule. Rules about unknown users are dropped with a warning, as dbus-daemon does.
 */
export function readRule(text: RuleText, io: PolicyIo): RuleReading {
  return new RuleReader(text, io).read();
}

class RuleReader {
  readonly #text: RuleText;
  readonly #io: PolicyIo;
  readonly #diagnostics: Diagnostic[] = [];

  constructor(text: RuleText, io: PolicyIo) {
    this.#text = text;
    this.#io = io;
  }

  read(): RuleReading {
    const sends = this.#givenOf(SEND_ATTRIBUTES);
    const eavesdropAlone = !sends && this.#text.attributes.has('eavesdrop');
    const receives = this.#givenOf(RECEIVE_ATTRIBUTES) || eavesdropAlone;
    this.#checkAttributes(sends, receives);
    const rules = this.#build(sends, receives);
    const broken = this.#diagnostics.some(({ severity }) => severity === 'error');
    const isDropped = this.#text.audience === undefined || broken;
    return { rules: isDropped ? [] : rules, diagnostics: this.#diagnostics };
  }

  #givenOf(names: ReadonlySet<string>): boolean {
    return [...this.#text.attributes.keys()].some((name) => names.has(name));
  }

  #value(name: string): string | undefined {
    return this.#text.attributes.get(name)?.value;
  }

  /** The attribute's value, undefined if absent or "*", which both match everything. */
  #condition(name: string): string | undefined {
    const value = this.#value(name);
    return value === '*' ? undefined : value;
  }

  #report(code: DiagnosticCode, attribute: string | undefined, message: string): void {
    const at = (attribute && this.#text.attributes.get(attribute)?.at) || this.#text.at;
    const severity = code === 'bad-rule' ? 'error' : 'warning';
    this.#diagnostics.push(diagnosticAt(severity, code, at, message));
  }

  #bad(attribute: string | undefined, message: string): void {
    this.#report('bad-rule', attribute, message);
  }

  #checkAttributes(sends: boolean, receives: boolean): void {
    for (const name of this.#text.attributes.keys()) {
      if (!ATTRIBUTES.has(name)) this.#bad(name, `unknown attribute "${name}"`);
    }
    const lone = LONE_ATTRIBUTES.filter((name) => this.#text.attributes.has(name));
    if (!sends && !receives && lone.length === 0 && this.#diagnostics.length === 0) {
      this.#bad(
        undefined,
        'a rule needs at least one send_*, receive_*, own, own_prefix, user or group attribute',
      );
    }
    const modified = ['min_fds', 'max_fds', 'eavesdrop'].some((name) =>
      this.#text.attributes.has(name),
    );
    if (lone.length + (sends || receives || modified ? 1 : 0) > 1) {
      this.#bad(lone[0], `"${lone[0]}" cannot be combined with other attributes`);
    }
    if (sends && receives) {
      this.#bad(
        undefined,
        'send_* and receive_* attributes cannot be combined in one rule; write two rules',
      );
    }
    this.#checkFields('send');
    this.#checkFields('receive');
    this.#checkDestination();
    this.#checkAudience(lone);
  }

  #checkFields(side: 'send' | 'receive'): void {
    const has = (field: string): boolean => this.#text.attributes.has(`${side}_${field}`);
    if (has('member') && !has('interface') && !has('path')) {
      this.#bad(
        `${side}_member`,
        `${side}_member needs ${side}_interface or ${side}_path beside it`,
      );
    }
    if (has('error') && (has('member') || has('interface'))) {
      this.#bad(
        `${side}_error`,
        `${side}_error cannot be combined with ${side}_member or ${side}_interface`,
      );
    }
  }

  #checkDestination(): void {
    const { attributes } = this.#text;
    if (attributes.has('send_destination') && attributes.has('send_destination_prefix')) {
      this.#bad(
        'send_destination_prefix',
        'send_destination cannot be combined with send_destination_prefix',
      );
    }
    if (attributes.has('send_destination') && this.#value('send_broadcast') === 'true') {
      this.#bad(
        'send_broadcast',
        'send_broadcast="true" cannot be combined with send_destination: a broadcast has none',
      );
    }
  }

  #checkAudience(lone: readonly string[]): void {
    const kind = this.#text.audience?.kind;
    if (kind !== 'user' && kind !== 'group') return;
    const name = lone.find((attribute) => attribute === 'user' || attribute === 'group');
    if (name === undefined) return;
    this.#bad(
      name,
      `a "${name}" rule is about connecting and cannot stand in a <policy ${kind}="…">`,
    );
  }

  #build(sends: boolean, receives: boolean): PolicyRule[] {
    const rules: PolicyRule[] = [];
    if (sends) rules.push(this.#sendRule());
    if (receives) rules.push(this.#messageRule('receive', this.#condition('receive_sender')));
    rules.push(...this.#ownRules(), ...this.#connectRules());
    return rules;
  }

  #base(): SourcePosition & { readonly allow: boolean } {
    const { file, line, column } = this.#text.at;
    return { file, line, column, allow: this.#text.allow };
  }

  #sendRule(): MessageRule {
    const prefix = this.#value('send_destination_prefix');
    const rule = this.#messageRule('send', this.#condition('send_destination'));
    return prefix === undefined ? rule : { ...rule, peerPrefix: prefix };
  }

  #messageRule(kind: 'send' | 'receive', peerName: string | undefined): MessageRule {
    const path = this.#condition(`${kind}_path`);
    const interfaceName = this.#condition(`${kind}_interface`);
    const member = this.#condition(`${kind}_member`);
    const errorName = this.#condition(`${kind}_error`);
    const broadcast = kind === 'send' ? this.#boolean('send_broadcast') : undefined;
    return {
      ...this.#base(),
      kind,
      messageType: this.#messageType(`${kind}_type`),
      ...(peerName !== undefined && { peerName }),
      ...(path !== undefined && { path }),
      ...(interfaceName !== undefined && { interface: interfaceName }),
      ...(member !== undefined && { member }),
      ...(errorName !== undefined && { errorName }),
      ...(broadcast !== undefined && { broadcast }),
      requestedReply: this.#boolean(`${kind}_requested_reply`) ?? this.#text.allow,
      eavesdrop: this.#boolean('eavesdrop') ?? false,
      minFds: this.#fdCount('min_fds', 0),
      maxFds: this.#fdCount('max_fds', MAX_FDS_ANY),
      log: kind === 'send' && this.#value('log') === 'true',
    };
  }

  #messageType(attribute: string): RuleMessageType {
    const value = this.#value(attribute);
    if (value === undefined) return RuleMessageType.Any;
    const type = Object.hasOwn(MESSAGE_TYPES, value) ? MESSAGE_TYPES[value] : undefined;
    if (type === undefined) {
      this.#bad(
        attribute,
        `${attribute} must be method_call, method_return, error, signal or *, not "${value}"`,
      );
    }
    return type ?? RuleMessageType.Any;
  }

  #boolean(attribute: string): boolean | undefined {
    const value = this.#value(attribute);
    if (value === undefined || value === 'true') return value && true;
    if (value !== 'false')
      this.#bad(attribute, `${attribute} must be true or false, not "${value}"`);
    return value === 'false' ? false : undefined;
  }

  #fdCount(attribute: string, absent: number): number {
    const value = this.#value(attribute);
    if (value === undefined) return absent;
    const { value: count, rest } = leadingInteger(value) ?? { value: -1, rest: '' };
    if (count < 0 || count > MAX_FDS_ANY) {
      const range = `a whole number from 0 to ${MAX_FDS_ANY}`;
      this.#bad(attribute, `${attribute} must be ${range}, not "${value}"`);
      return absent;
    }
    if (rest !== '') {
      this.#report('odd-number', attribute, `${attribute} is "${value}", read as ${count}`);
    }
    return count;
  }

  #ownRules(): OwnRule[] {
    const rules: OwnRule[] = [];
    const name = this.#value('own');
    const prefix = this.#value('own_prefix');
    const base = { ...this.#base(), kind: 'own' as const };
    if (name !== undefined) rules.push(name === '*' ? base : { ...base, name });
    if (prefix !== undefined) rules.push({ ...base, prefix });
    return rules;
  }

  #connectRules(): ConnectRule[] {
    const rules: ConnectRule[] = [];
    const base = { ...this.#base(), kind: 'connect' as const };
    const user = this.#identity('user', (text) => resolveUser(text, this.#io));
    const group = this.#identity('group', (text) => resolveGroup(text, this.#io));
    if (user !== undefined) rules.push({ ...base, user });
    if (group !== undefined) rules.push({ ...base, group });
    return rules;
  }

  #identity(
    attribute: 'user' | 'group',
    resolve: (text: string) => number | undefined,
  ): number | '*' | undefined {
    const value = this.#value(attribute);
    if (value === undefined || value === '*') return value;
    const id = resolve(value);
    if (id === undefined) {
      const message = `there is no ${attribute} "${value}"; the rule is ignored`;
      this.#report(`unknown-${attribute}`, attribute, message);
    }
    return id;
  }
}
