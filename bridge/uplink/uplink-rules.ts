import { DriverError, ErrorName } from '#bridge/driver/driver-error.js';
import { DRIVER_NAME } from '#bridge/registry/directory.js';
import {
  formatMatchRule,
  MatchRuleFault,
  parseMatchRule,
  type MatchRule,
} from '#bridge/registry/match-rule.js';
import { parseBusName, type BusName } from '#bridge/wire/names.js';
import { MessageType } from '#bridge/wire/types.js';
import type { BusLink } from './bus-link.js';
import type { Uplink } from './uplink.js';

/** Called when a rule is in force; or with the reason why it is not. */
export type RuleDone = (refusal: DriverError | undefined) => void;

/** The form that a client's match rule has on the other bus. */
interface FarRule {
  texts: readonly string[];
  /** the rule's sender, as the client wrote it */
  readonly sender: string | undefined;
  /** how often the client has added it */
  count: number;
}

/**
 * The match rules of one client that concern services of the other bus. They are added there, on its own connection,
 * so that a matching signal arrives once, in order with the other messages of these services to the client.
 */
export class UplinkRules {
  private readonly uplink: Uplink;
  /** by the rule's text here */
  private readonly rules = new Map<string, FarRule>();

  constructor(uplink: Uplink) {
    this.uplink = uplink;
  }

  get isEmpty(): boolean {
    return this.rules.size === 0;
  }

  /** Whether a rule names this connection of the other bus as the sender, by its unique name. */
  asksFor(farName: string): boolean {
    for (const { sender } of this.rules.values()) if (sender === farName) return true;
    return false;
  }

  /** Whether the rule may match something that comes from the other bus. */
  concerns(rule: MatchRule): boolean {
    return this.translate(rule).length > 0;
  }

  add(rule: MatchRule, done: RuleDone): void {
    const refusal = this.refusalOf(rule);
    if (refusal !== undefined) return done(refusal);
    const known = this.rules.get(rule.text);
    const texts = known?.texts ?? this.translate(rule);
    if (known !== undefined) known.count++;
    else this.rules.set(rule.text, { texts, sender: rule.sender, count: 1 });
    const { link } = this.uplink;
    if (link?.isReady === true) return callForAll(link, 'AddMatch', texts, done);
    /* `restore` adds it; the answer to a later call confirms that */
    this.uplink.whenReady((ready, failure) => {
      if (ready !== undefined) ready.call('GetId', '', [], () => done(undefined));
      else if (failure?.errorName !== ErrorName.AccessDenied || rule.sender === undefined)
        done(undefined);
      else done(new DriverError(failure.errorName, failure.text));
    });
  }

  /** False: the rule is not on the other bus. Until `done` is called, signals that it matches may still arrive. */
  remove(rule: MatchRule, done: () => void): boolean {
    const known = this.rules.get(rule.text);
    if (known === undefined) return false;
    if (--known.count === 0) this.rules.delete(rule.text);
    const { link } = this.uplink;
    if (link?.isReady !== true) return false;
    callForAll(link, 'RemoveMatch', known.texts, done);
    return true;
  }

  /** The imported names have changed, so a client's rules may read differently on the other bus. */
  review(): void {
    const { connection, attachment } = this.uplink;
    if (connection === undefined) return;
    const counts = new Map<string, number>();
    for (const text of attachment.driver.registry.subscriptions.rulesOf(connection)) {
      counts.set(text, (counts.get(text) ?? 0) + 1);
    }
    for (const [text, count] of counts) this.revise(text, count);
  }

  /** Adds all rules on a new connection. */
  restore(link: BusLink): void {
    for (const { texts, count } of this.rules.values()) {
      for (let i = 0; i < count; i++) callForAll(link, 'AddMatch', texts, () => {});
    }
  }

  /**
   * A rule about a service that the client may not reach would never match, without any sign of why: it is refused.
   */
  private refusalOf({ sender }: MatchRule): DriverError | undefined {
    const { connection, access, attachment } = this.uplink;
    const isAboutService = sender !== undefined && !sender.startsWith(':');
    if (!isAboutService || this.uplink.reaches(sender)) return undefined;
    if (connection === undefined || access.confinement === undefined) return undefined;
    const { errorName, text } = attachment.refusalOf(connection, access.confinement);
    return new DriverError(errorName, text);
  }

  private revise(text: string, count: number): void {
    const rule = parseMatchRule(text);
    if (rule instanceof MatchRuleFault) return;
    const texts = this.translate(rule);
    const before = this.rules.get(text);
    if (String(texts) === String(before?.texts ?? [])) return;
    this.rules.delete(text);
    const { link } = this.uplink;
    if (texts.length > 0) {
      this.rules.set(text, { texts, sender: rule.sender, count });
      if (link?.isReady !== true) this.uplink.whenReady(() => {});
      else for (let i = 0; i < count; i++) callForAll(link, 'AddMatch', texts, () => {});
    }
    if (before === undefined || link?.isReady !== true) return;
    for (let i = 0; i < before.count; i++) callForAll(link, 'RemoveMatch', before.texts, () => {});
  }

  /** The rule as the other bus is to understand it; empty when it can match nothing that comes from there. */
  private translate(rule: MatchRule): string[] {
    const isForSignals = rule.type === undefined || rule.type === MessageType.Signal;
    const isAboutBus = rule.interface === DRIVER_NAME;
    if (!isForSignals || isAboutBus || rule.destination !== undefined) return [];
    return farSenders(rule, this.uplink).map((sender) => {
      return formatMatchRule({ ...rule, type: MessageType.Signal, sender, eavesdrop: false });
    });
  }
}

/**
 * The senders that a rule means on the other bus; undefined: every sender, and only imported ones pass here.
 */
function farSenders({ sender }: MatchRule, uplink: Uplink): (BusName | undefined)[] {
  const { attachment } = uplink;
  const { patterns } = attachment.imports;
  if (sender === undefined) {
    if (!patterns.isExact) return [undefined];
    return patterns.texts.flatMap(namesOf).filter((name) => uplink.reaches(name));
  }
  if (!sender.startsWith(':')) {
    return patterns.matches(sender) ? [sender] : [];
  }
  const ghost = attachment.ghosts.byName(sender);
  if (ghost !== undefined) return namesOf(ghost.farText);
  const { connection } = uplink;
  const isThere =
    connection !== undefined &&
    attachment.driver.registry.owner(sender) === undefined &&
    attachment.mayAddress(sender, connection);
  return isThere ? [sender] : [];
}

/** The text as a bus name; none if it is no valid one. */
function namesOf(text: string): BusName[] {
  const name = parseBusName(text);
  return name === undefined ? [] : [name];
}

/** Calls `done` once all replies are there, with the last refusal if there was one. */
function callForAll(
  link: BusLink,
  method: 'AddMatch' | 'RemoveMatch',
  texts: readonly string[],
  done: RuleDone,
): void {
  let refusal: DriverError | undefined;
  let missing = texts.length;
  for (const text of texts) {
    link.call(method, 's', [text], (reply) => {
      if (reply?.type === MessageType.Error) {
        refusal = new DriverError(reply.errorName ?? ErrorName.Failed, String(reply.body[0]));
      }
      missing--;
      if (missing === 0) done(refusal);
    });
  }
}
