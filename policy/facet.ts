import type { ClientPolicy } from './client-policy.js';
import {
  EncodedRule,
  Mismatch,
  flowMismatch,
  messageMismatch,
  typeMismatch,
  typesOfFlow,
} from './match.js';
import type { Flow } from './match.js';
import type { PolicyMessage } from './message.js';
import { describeRule, ruleLocation } from './rule.js';
import type { MessageRule } from './rule.js';

/**
 * One end of a conversation. `policy` is undefined for the driver and for a service that is yet to
 * be activated: they have no rules of their own. `names` holds the unique name and every well-known
 * name that the connection owns or waits for in a queue.
 */
export interface Party {
  readonly policy: ClientPolicy | undefined;
  readonly names: ReadonlySet<string>;
}

/** The bus itself, as sender or receiver. */
export const DRIVER_PARTY: Party = { policy: undefined, names: new Set(['org.freedesktop.DBus']) };

/** Below this number of rules a linear search is faster than an index by member. */
const INDEXED_MIN = 6;

/** A power of two: how many lists an index has. */
const INDEX_LISTS = 64;

/** The rules that are left for one message type, the last of the file first. */
class RuleChain {
  readonly rules: readonly EncodedRule[];
  readonly fallback: EncodedRule | undefined;
  /** The rules that a member can match, by `memberList`, as grants mostly differ in members. Null: too few rules. */
  readonly #byMember: readonly (readonly EncodedRule[])[] | null;

  constructor(rules: readonly EncodedRule[], fallback: EncodedRule | undefined) {
    this.rules = rules;
    this.fallback = fallback;
    this.#byMember = rules.length < INDEXED_MIN ? null : indexByMember(rules);
  }

  // hot
  decide(message: PolicyMessage): EncodedRule | undefined {
    const { memberLength } = message;
    const byMember = this.#byMember;
    const rules =
      byMember === null || memberLength === 0
        ? this.rules
        : byMember[memberList(message.bytes, message.memberOffset, memberLength)];
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i];
      if (messageMismatch(rule, message) === Mismatch.None) return rule;
    }
    return this.fallback;
  }
}

function indexByMember(rules: readonly EncodedRule[]): EncodedRule[][] {
  return Array.from({ length: INDEX_LISTS }, (_, list) =>
    rules.filter(({ member }) => member === null || memberList(member, 0, member.length) === list),
  );
}

/** Which list of an index a member belongs to: names in one list of grants differ in their ends. */
// hot
function memberList(bytes: Uint8Array, offset: number, length: number): number {
  const end = offset + length;
  const last = bytes[end - 1];
  const beforeLast = length > 1 ? bytes[end - 2] : 0;
  return (last + beforeLast * 5 + length * 7) & (INDEX_LISTS - 1);
}

/** A chain that can be sent to another process; null: it lets everything pass. */
export type ChainData = {
  readonly rules: readonly MessageRule[];
  readonly fallback?: MessageRule | undefined;
} | null;

/** A facet that can be sent to another process: chains by message type. */
export interface FacetData {
  readonly send: readonly ChainData[];
  readonly receive: readonly ChainData[];
}

function dataOf(chain: RuleChain | null): ChainData {
  return chain && { rules: chain.rules.map(({ rule }) => rule), fallback: chain.fallback?.rule };
}

function chainOf(data: ChainData): RuleChain | null {
  if (data === null) return null;
  const { rules, fallback } = data;
  return new RuleChain(
    rules.map((rule) => new EncodedRule(rule)),
    fallback && new EncodedRule(fallback),
  );
}

/** A chain that cannot refuse or log anything is no chain: null. */
function compileChain(
  rules: readonly EncodedRule[],
  flow: Flow,
  type: number,
  peerNames: ReadonlySet<string>,
): RuleChain | null {
  const left: EncodedRule[] = [];
  let fallback: EncodedRule | undefined;
  for (let i = rules.length - 1; i >= 0 && fallback === undefined; i--) {
    const encoded = rules[i];
    const { rule } = encoded;
    if (flowMismatch(rule, flow, peerNames) ?? typeMismatch(rule, flow, type)) continue;
    if (encoded.hasMessageConditions) left.push(encoded);
    else fallback = encoded;
  }
  const silent = (encoded: EncodedRule): boolean => encoded.allow && !encoded.rule.log;
  const open = fallback !== undefined && silent(fallback) && left.every(silent);
  return open ? null : new RuleChain(left, fallback);
}

const MESSAGE_TYPES_END = 5;
const CLOSED = new RuleChain([], undefined);

/** A chain for each message type; types that do not occur in the flow are closed. */
function compileSide(
  rules: readonly EncodedRule[] | undefined,
  flow: Flow,
  peerNames: ReadonlySet<string>,
): (RuleChain | null)[] {
  const chains = Array.from({ length: MESSAGE_TYPES_END }, (): RuleChain | null => CLOSED);
  for (const type of typesOfFlow(flow)) {
    chains[type] = rules === undefined ? null : compileChain(rules, flow, type, peerNames);
  }
  return chains;
}

/** What is left of the policy for one sender, one receiver and one flow. */
export class Facet {
  /** After `check`: the rule to name, which refused the message or allowed it with log="true". */
  lastRule: MessageRule | undefined = undefined;
  /** After a refusal: whose rules refused, the sender's or the receiver's. */
  lastSide: 'send' | 'receive' = 'send';
  readonly #send: readonly (RuleChain | null)[];
  readonly #receive: readonly (RuleChain | null)[];

  constructor(send: readonly (RuleChain | null)[], receive: readonly (RuleChain | null)[]) {
    this.#send = send;
    this.#receive = receive;
  }

  /** The facet that another process has sent. */
  static of({ send, receive }: FacetData): Facet {
    return new Facet(send.map(chainOf), receive.map(chainOf));
  }

  get data(): FacetData {
    return { send: this.#send.map(dataOf), receive: this.#receive.map(dataOf) };
  }

  /** Whether the message may pass; allocates nothing. */
  check(message: PolicyMessage): boolean {
    this.lastRule = undefined;
    const send = this.#send[message.type];
    if (send !== null && !this.#passes(send, message)) {
      this.lastSide = 'send';
      return false;
    }
    const receive = this.#receive[message.type];
    if (receive === null || this.#passes(receive, message)) return true;
    this.lastSide = 'receive';
    return false;
  }

  #passes(chain: RuleChain | undefined, message: PolicyMessage): boolean {
    if (chain === undefined) return false;
    const decided = chain.decide(message);
    if (decided === undefined) {
      this.lastRule = undefined;
      return false;
    }
    if (!decided.allow || decided.rule.log) this.lastRule = decided.rule;
    return decided.allow;
  }
}

/**
 * Folds away everything that is known when a handle is handed out: users, groups, names, flow. Null
 * means that every message of this flow may pass. Compile again when either side's names change in
 * a way that the other's policy mentions (`ClientPolicy.mentionsName`) and after a reload.
 */
export function compileFacet(sender: Party, receiver: Party, flow: Flow): Facet | null {
  const send = compileSide(sender.policy?.send, flow, receiver.names);
  const receive = compileSide(receiver.policy?.receive, flow, sender.names);
  const open = typesOfFlow(flow).every((type) => send[type] === null && receive[type] === null);
  return open ? null : new Facet(send, receive);
}

/** Whose policy refused a message and by which rule, for the AccessDenied error and the log. */
export function describeRefusal(facet: Facet): string {
  const whose = facet.lastSide === 'send' ? "the sender's" : "the receiver's";
  const verb = facet.lastSide === 'send' ? 'send' : 'receive';
  const rule = facet.lastRule;
  return rule === undefined
    ? `no rule in ${whose} policy lets it ${verb} the message; to permit it, add an <allow ${verb}_...>`
    : `${whose} policy does not let it ${verb} the message: ${describeRule(rule)} at ${ruleLocation(rule)}`;
}
