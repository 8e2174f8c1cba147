/** One message against the shapes of an index. Runs for every broadcast: allocates nothing. */

import { ARG_INDEX_MAX } from '#bridge/wire/limits.js';
import type { Interner } from './interner.js';
import type { MatchEntry, SubscriberRecord } from './match-entry.js';
import { MatchFields } from './match-fields.js';
import type { MatchGroup, MatchShape } from './match-shape.js';
import { mixHash } from './match-shape.js';
import type { MatchSubject, SubscriberSink } from './match-index.js';
import type { PathVisitor } from './path-trie.js';

/** All arguments, and sender, destination, interface, member, path or path_namespace. */
const KEYS_MAX = ARG_INDEX_MAX + 1 + 5;

export class MatchSearch<Subscriber> implements PathVisitor<MatchEntry<Subscriber>> {
  probes = 0;
  comparisons = 0;

  readonly #fields: MatchFields;
  readonly #ids = new Int32Array(KEYS_MAX);
  #subject: MatchSubject | undefined;
  #into: SubscriberSink<Subscriber> | undefined;
  /** Number of this search; a subscriber with this stamp is not collected again. */
  #stamp = 0;

  constructor(interner: Interner) {
    this.#fields = new MatchFields(interner);
  }

  begin(subject: MatchSubject, into: SubscriberSink<Subscriber>): void {
    this.#stamp++;
    this.#subject = subject;
    this.#into = into;
    this.#fields.begin(subject);
  }

  /** Forgets the message: its memory belongs to the caller. */
  end(): void {
    this.#subject = undefined;
    this.#into = undefined;
    this.#fields.end();
  }

  /** Leaves this subscriber out of the running search. */
  passOver(record: SubscriberRecord<Subscriber> | undefined): void {
    if (record !== undefined) record.stamp = this.#stamp;
  }

  run(shapes: readonly MatchShape<Subscriber>[]): void {
    for (let i = 0; i < shapes.length; i++) this.#probe(shapes[i], 0, 0);
  }

  /** Adds the subscribers of a rule that was found, if its other keys match, too. */
  visit(entry: MatchEntry<Subscriber>): void {
    const header = this.#subject?.header;
    if (header === undefined) return;
    this.comparisons++;
    if (!entry.matchesRest(header.type, header.bytes, this.#fields)) return;
    const { subscriptions } = entry;
    for (let i = 0; i < subscriptions.length; i++) {
      const { record } = subscriptions[i];
      if (record.stamp === this.#stamp) continue;
      record.stamp = this.#stamp;
      this.#into?.push(record.subscriber);
    }
  }

  /** Tries every combination of the message's candidates for the keys from `position` on. */
  #probe(shape: MatchShape<Subscriber>, position: number, hash: number): void {
    if (position === shape.keys.length) {
      this.probes++;
      const group = shape.find(hash, this.#ids);
      if (group !== undefined) this.#visitGroup(group, shape.pathArgument);
      return;
    }
    const key = shape.keys[position];
    const count = this.#fields.candidateCount(key);
    for (let i = 0; i < count; i++) {
      const id = this.#fields.candidate(key, i);
      this.#ids[position] = id;
      this.#probe(shape, position + 1, mixHash(hash, id));
    }
  }

  #visitGroup(group: MatchGroup<Subscriber>, pathArgument: number): void {
    const { entries, paths } = group;
    for (let i = 0; i < entries.length; i++) this.visit(entries[i]);
    if (paths === undefined || this.#subject === undefined) return;
    const { args } = this.#fields;
    if (!args.isStringOrPath(pathArgument)) return;
    const { bytes } = this.#subject.header;
    paths.visitMatching(bytes, args.offsets[pathArgument], args.lengths[pathArgument], this);
  }
}
