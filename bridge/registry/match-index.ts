/**
 * Finds the subscribers for a message without testing rules that cannot match: rules are sorted by shape (the set
 * of their keys), and each shape is one hash lookup by the message's values.
 */

import type { MessageHeader } from '#bridge/wire/header.js';
import { Interner } from './interner.js';
import type { Subscription } from './match-entry.js';
import { MatchEntry, SubscriberRecord } from './match-entry.js';
import type { MatchRule } from './match-rule.js';
import { MatchSearch } from './match-search.js';
import { MatchShape, shapeName } from './match-shape.js';

/**
 * Every message pays for every shape. Desktops have some tens; one peer could make as many as it has rules by
 * choosing a different set of arguments for each. Beyond this number, a rule with a new shape is filed under its
 * first argument alone, and such rules are compared one by one.
 */
const WIDE_SHAPES_MAX = 256;

export interface MatchIndexOptions {
  /** Shared by everything that hands ids to this index; see `MatchSubject`. */
  readonly interner?: Interner;
  readonly wideShapesMax?: number;
}

export interface RemovedRule<Subscriber> {
  readonly subscriber: Subscriber;
  readonly rule: MatchRule;
  /** How often the subscriber had added it. */
  readonly count: number;
}

/**
 * A message as match rules see it. The caller keeps one such object and refills it: nothing of it
 * is kept after `MatchIndex.collect` returns.
 */
export interface MatchSubject {
  /** Header after a successful scan; the body must have been validated. */
  readonly header: MessageHeader;
  /** Ids (of the index's interner) of the sender's unique name and of all names that it owns. */
  readonly senderIds: ArrayLike<number>;
  readonly senderIdCount: number;
  /**
   * The same of the addressed peer; if nobody owns the destination yet, the id of that name alone.
   * The driver is `org.freedesktop.DBus`, in both roles. Ignored for broadcasts.
   */
  readonly destinationIds: ArrayLike<number>;
  readonly destinationIdCount: number;
}

/** Where matching subscribers are put, each once; an array will do. */
export interface SubscriberSink<Subscriber> {
  push(subscriber: Subscriber): unknown;
}

export class MatchIndex<Subscriber extends object> {
  readonly interner: Interner;
  readonly #wideShapesMax: number;
  readonly #search: MatchSearch<Subscriber>;
  readonly #records = new Map<Subscriber, SubscriberRecord<Subscriber>>();
  readonly #entries = new Map<string, MatchEntry<Subscriber>>();
  /** Rules that name a unique name as sender or destination, by that name. */
  readonly #naming = new Map<string, Set<MatchEntry<Subscriber>>>();
  readonly #broadcastShapes: MatchShape<Subscriber>[] = [];
  /** Rules with eavesdrop=true: the only ones that see messages with a destination. */
  readonly #eavesdropShapes: MatchShape<Subscriber>[] = [];
  readonly #shapeOf = new Map<MatchEntry<Subscriber>, MatchShape<Subscriber>>();
  #ruleCount = 0;

  constructor(options: MatchIndexOptions = {}) {
    this.interner = options.interner ?? new Interner();
    this.#wideShapesMax = options.wideShapesMax ?? WIDE_SHAPES_MAX;
    this.#search = new MatchSearch<Subscriber>(this.interner);
  }

  /** Number of rules as their owners count them: one that was added twice counts twice. */
  get ruleCount(): number {
    return this.#ruleCount;
  }

  get distinctRuleCount(): number {
    return this.#entries.size;
  }

  get subscriberCount(): number {
    return this.#records.size;
  }

  get shapeCount(): number {
    return this.#broadcastShapes.length + this.#eavesdropShapes.length;
  }

  /** Hash lookups since the start, for tests and metrics. */
  get probes(): number {
    return this.#search.probes;
  }

  /** Rules that were compared one by one since the start. */
  get comparisons(): number {
    return this.#search.comparisons;
  }

  /** False: no rule can match a message that has a destination. */
  get hasEavesdroppers(): boolean {
    return this.#eavesdropShapes.length > 0;
  }

  add(rule: MatchRule, subscriber: Subscriber): void {
    const record = this.#recordOf(subscriber);
    const entry = this.#entries.get(rule.text) ?? this.#addEntry(rule);
    const subscription = record.subscriptions.get(entry);
    this.#ruleCount++;
    if (subscription !== undefined) {
      subscription.count++;
      return;
    }
    const position = entry.subscriptions.length;
    const added: Subscription<Subscriber> = { record, count: 1, position };
    entry.subscriptions.push(added);
    record.subscriptions.set(entry, added);
  }

  /** Undoes one `add` of an equal rule; false if there is none. */
  remove(rule: MatchRule, subscriber: Subscriber): boolean {
    const record = this.#records.get(subscriber);
    const entry = this.#entries.get(rule.text);
    const subscription = entry && record?.subscriptions.get(entry);
    if (entry === undefined || subscription === undefined) return false;
    if (subscription.count > 1) {
      subscription.count--;
      this.#ruleCount--;
    } else {
      this.#unsubscribe(entry, subscription);
    }
    return true;
  }

  /** Removes all rules of a subscriber; returns how many it had. */
  removeAll(subscriber: Subscriber): number {
    const record = this.#records.get(subscriber);
    if (record === undefined) return 0;
    const before = this.#ruleCount;
    for (const [entry, subscription] of record.subscriptions) {
      this.#unsubscribe(entry, subscription);
    }
    return before - this.#ruleCount;
  }

  /**
   * Removes everybody's rules with this unique name as sender or destination: it is never given
   * again, and without this a watcher of short-lived peers would reach its limit of rules.
   */
  removeNaming(uniqueName: string): RemovedRule<Subscriber>[] {
    const removed: RemovedRule<Subscriber>[] = [];
    for (const entry of this.#naming.get(uniqueName) ?? []) {
      const { subscriptions } = entry;
      for (let [first] = subscriptions; first !== undefined; [first] = subscriptions) {
        const { record, count } = first;
        removed.push({ subscriber: record.subscriber, rule: entry.rule, count });
        this.#unsubscribe(entry, first);
      }
    }
    return removed;
  }

  /** Canonical texts of a subscriber's rules, each as often as it was added. */
  rulesOf(subscriber: Subscriber): string[] {
    const texts: string[] = [];
    for (const [entry, { count }] of this.#records.get(subscriber)?.subscriptions ?? []) {
      for (let i = 0; i < count; i++) texts.push(entry.rule.text);
    }
    return texts;
  }

  /**
   * Appends every subscriber with a matching rule to `into`, once. A message without a destination is a broadcast;
   * other messages are only shown to rules with eavesdrop=true, and never to `addressed`, the receiver itself.
   * Allocates nothing.
   */
  collect(subject: MatchSubject, into: SubscriberSink<Subscriber>, addressed?: Subscriber): void {
    const isBroadcast = subject.header.destinationLength === 0;
    if (!isBroadcast && this.#eavesdropShapes.length === 0) return;
    this.#search.begin(subject, into);
    if (addressed !== undefined) this.#search.passOver(this.#records.get(addressed));
    if (isBroadcast) this.#search.run(this.#broadcastShapes);
    this.#search.run(this.#eavesdropShapes);
    this.#search.end();
  }

  #recordOf(subscriber: Subscriber): SubscriberRecord<Subscriber> {
    let record = this.#records.get(subscriber);
    if (record === undefined) {
      record = new SubscriberRecord(subscriber);
      this.#records.set(subscriber, record);
    }
    return record;
  }

  #addEntry(rule: MatchRule): MatchEntry<Subscriber> {
    const shapes = rule.eavesdrop ? this.#eavesdropShapes : this.#broadcastShapes;
    let entry = new MatchEntry<Subscriber>(rule, this.interner, false);
    let shape = findShape(shapes, entry);
    if (shape === undefined && shapes.length >= this.#wideShapesMax) {
      entry.release(this.interner);
      entry = new MatchEntry<Subscriber>(rule, this.interner, true);
      shape = findShape(shapes, entry);
    }
    if (shape === undefined) {
      shape = new MatchShape<Subscriber>(entry.keys, entry.pathArgument);
      shapes.push(shape);
    }
    shape.add(entry, this.interner);
    this.#shapeOf.set(entry, shape);
    this.#entries.set(rule.text, entry);
    for (const name of uniqueNamesIn(rule)) {
      const naming = this.#naming.get(name);
      if (naming === undefined) this.#naming.set(name, new Set([entry]));
      else naming.add(entry);
    }
    return entry;
  }

  #unsubscribe(entry: MatchEntry<Subscriber>, subscription: Subscription<Subscriber>): void {
    const { record, count, position } = subscription;
    this.#ruleCount -= count;
    record.subscriptions.delete(entry);
    if (record.subscriptions.size === 0) this.#records.delete(record.subscriber);
    const last = entry.subscriptions.pop();
    if (last !== undefined && last !== subscription) {
      entry.subscriptions[position] = last;
      last.position = position;
    }
    if (entry.subscriptions.length === 0) this.#removeEntry(entry);
  }

  #removeEntry(entry: MatchEntry<Subscriber>): void {
    const { rule } = entry;
    const shapes = rule.eavesdrop ? this.#eavesdropShapes : this.#broadcastShapes;
    const shape = this.#shapeOf.get(entry);
    shape?.delete(entry);
    if (shape?.isEmpty === true) shapes.splice(shapes.indexOf(shape), 1);
    this.#shapeOf.delete(entry);
    this.#entries.delete(rule.text);
    for (const name of uniqueNamesIn(rule)) {
      const naming = this.#naming.get(name);
      naming?.delete(entry);
      if (naming?.size === 0) this.#naming.delete(name);
    }
    entry.release(this.interner);
  }
}

function findShape<Subscriber>(
  shapes: readonly MatchShape<Subscriber>[],
  entry: MatchEntry<Subscriber>,
): MatchShape<Subscriber> | undefined {
  const name = shapeName(entry.keys, entry.pathArgument);
  return shapes.find((shape) => shape.name === name);
}

function uniqueNamesIn({ sender, destination }: MatchRule): string[] {
  const names = new Set<string>();
  if (sender?.startsWith(':') === true) names.add(sender);
  if (destination?.startsWith(':') === true) names.add(destination);
  return [...names];
}
