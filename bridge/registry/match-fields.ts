/**
 * The values of one message for each key that a rule can have, as interned ids, computed on first
 * use. A key has several candidates where a rule value may be a prefix (path_namespace,
 * arg0namespace) or where a peer has several names (sender, destination).
 */

import { ARG_INDEX_MAX, MATCH_RULE_MAX_LENGTH } from '#bridge/wire/limits.js';
import type { Interner } from './interner.js';
import { finishHash, stepHash } from './interner.js';
import { MessageArguments } from './match-arguments.js';
import type { MatchSubject } from './match-index.js';

/**
 * Numbers of the keys that are looked up by id; argument N is `Argument + N`. Shapes try keys in ascending
 * order, so keys with a single candidate, which rule out most shapes, come first.
 */
export const MatchKey = {
  Interface: 0,
  Member: 1,
  Path: 2,
  Argument: 3,
  PathNamespace: 3 + ARG_INDEX_MAX + 1,
  ArgumentNamespace: 3 + ARG_INDEX_MAX + 2,
  Sender: 3 + ARG_INDEX_MAX + 3,
  Destination: 3 + ARG_INDEX_MAX + 4,
} as const;

const SLASH = 0x2f;
const DOT = 0x2e;
const NOT_COMPUTED = -1;

export class MatchFields {
  readonly args = new MessageArguments();

  readonly #interner: Interner;
  /** Ids of interface, member, path and arguments; `NOT_COMPUTED` until asked for. */
  readonly #ids = new Int32Array(MatchKey.PathNamespace);
  /** A rule is at most this long, so longer prefixes are in no rule. */
  readonly #pathPrefixes = new Int32Array(MATCH_RULE_MAX_LENGTH);
  #pathPrefixCount = NOT_COMPUTED;
  readonly #argPrefixes = new Int32Array(MATCH_RULE_MAX_LENGTH);
  #argPrefixCount = NOT_COMPUTED;
  #subject: MatchSubject | undefined;

  constructor(interner: Interner) {
    this.#interner = interner;
  }

  begin(subject: MatchSubject): void {
    this.#subject = subject;
    this.#ids.fill(NOT_COMPUTED);
    this.#pathPrefixCount = NOT_COMPUTED;
    this.#argPrefixCount = NOT_COMPUTED;
    this.args.begin(subject.header);
  }

  /** Forgets the message: its memory belongs to the caller. */
  end(): void {
    this.#subject = undefined;
  }

  get #message(): MatchSubject {
    if (this.#subject === undefined) throw new Error('no message is being matched');
    return this.#subject;
  }

  /** How many ids the message offers to `key`; 0 means that no rule with this key can match. */
  candidateCount(key: number): number {
    const subject = this.#message;
    if (key < MatchKey.PathNamespace) return this.idOf(key) === 0 ? 0 : 1;
    if (key === MatchKey.Sender) return subject.senderIdCount;
    if (key === MatchKey.Destination) {
      return subject.header.destinationLength === 0 ? 0 : subject.destinationIdCount;
    }
    return key === MatchKey.PathNamespace ? this.#countPathPrefixes() : this.#countArgPrefixes();
  }

  candidate(key: number, index: number): number {
    if (key < MatchKey.PathNamespace) return this.#ids[key];
    if (key === MatchKey.PathNamespace) return this.#pathPrefixes[index];
    if (key === MatchKey.ArgumentNamespace) return this.#argPrefixes[index];
    const subject = this.#message;
    return key === MatchKey.Sender ? subject.senderIds[index] : subject.destinationIds[index];
  }

  /** The id of the message's interface, member, path or argument string; 0 if no rule has it. */
  idOf(key: number): number {
    const known = this.#ids[key];
    if (known !== NOT_COMPUTED) return known;
    const id = this.#find(key);
    this.#ids[key] = id;
    return id;
  }

  #find(key: number): number {
    const header = this.#message.header;
    switch (key) {
      case MatchKey.Interface:
        return this.#findField(header.bytes, header.interfaceOffset, header.interfaceLength);
      case MatchKey.Member:
        return this.#findField(header.bytes, header.memberOffset, header.memberLength);
      case MatchKey.Path:
        return this.#findField(header.bytes, header.pathOffset, header.pathLength);
      default: {
        const index = key - MatchKey.Argument;
        if (!this.args.isString(index)) return 0;
        const length = this.args.lengths[index];
        if (length > MATCH_RULE_MAX_LENGTH) return 0;
        return this.#interner.find(header.bytes, this.args.offsets[index], length);
      }
    }
  }

  #findField(bytes: Uint8Array, offset: number, length: number): number {
    if (length === 0 || length > MATCH_RULE_MAX_LENGTH) return 0;
    return this.#interner.find(bytes, offset, length);
  }

  #countPathPrefixes(): number {
    if (this.#pathPrefixCount !== NOT_COMPUTED) return this.#pathPrefixCount;
    const { bytes, pathOffset, pathLength } = this.#message.header;
    this.#pathPrefixCount =
      pathLength === 0
        ? 0
        : this.#findPrefixes(bytes, pathOffset, pathLength, SLASH, this.#pathPrefixes);
    return this.#pathPrefixCount;
  }

  #countArgPrefixes(): number {
    if (this.#argPrefixCount !== NOT_COMPUTED) return this.#argPrefixCount;
    const { bytes } = this.#message.header;
    this.#argPrefixCount = this.args.isString(0)
      ? this.#findPrefixes(
          bytes,
          this.args.offsets[0],
          this.args.lengths[0],
          DOT,
          this.#argPrefixes,
        )
      : 0;
    return this.#argPrefixCount;
  }

  /**
   * Collects the ids of all prefixes that end before a separator, and of the whole text. The root
   * path "/" contains every path, though no separator follows it.
   */
  #findPrefixes(
    bytes: Uint8Array,
    offset: number,
    length: number,
    separator: number,
    into: Int32Array,
  ): number {
    const end = offset + Math.min(length, MATCH_RULE_MAX_LENGTH);
    const isWhole = length <= MATCH_RULE_MAX_LENGTH;
    let count = 0;
    let state = this.#interner.seed;
    for (let at = offset; at < end; at++) {
      state = stepHash(state, bytes[at]);
      const next = at + 1;
      const isRoot = separator === SLASH && at === offset;
      const isPrefix = next === offset + length ? isWhole : isRoot || bytes[next] === separator;
      if (!isPrefix) continue;
      const id = this.#interner.findHashed(finishHash(state), bytes, offset, next - offset);
      if (id !== 0) into[count++] = id;
    }
    return count;
  }
}
