/** One distinct rule of an index, with all its subscribers. */

import type { Interner } from './interner.js';
import type { MatchFields } from './match-fields.js';
import { MatchKey } from './match-fields.js';
import type { MatchArgument, MatchRule } from './match-rule.js';
import type { PathPieces } from './path-trie.js';
import { releasePieces, retainPieces } from './path-trie.js';

const SLASH = 0x2f;
const encoder = new TextEncoder();

/** What an index knows of a subscriber. */
export class SubscriberRecord<Subscriber> {
  readonly subscriber: Subscriber;
  /** Number of the last message that this subscriber was collected for. */
  stamp = 0;
  readonly subscriptions = new Map<MatchEntry<Subscriber>, Subscription<Subscriber>>();

  constructor(subscriber: Subscriber) {
    this.subscriber = subscriber;
  }
}

/** One subscriber of one rule. */
export interface Subscription<Subscriber> {
  readonly record: SubscriberRecord<Subscriber>;
  /** How often the rule was added: as in dbus-daemon, it has to be removed as often. */
  count: number;
  /** Place in `MatchEntry.subscriptions`. */
  position: number;
}

export class MatchEntry<Subscriber> {
  readonly rule: MatchRule;
  readonly subscriptions: Subscription<Subscriber>[] = [];
  /** Keys that the entry is looked up by, in ascending order, and the ids that they must have. */
  readonly keys: readonly number[];
  readonly ids: readonly number[];
  /** Argument that the entry is looked up by as argNpath, or -1. */
  readonly pathArgument: number;
  readonly pathPieces: PathPieces | undefined;
  /** Place in `MatchGroup.entries`. */
  groupPosition = 0;

  /** What is left to compare when the lookup has found the entry. */
  readonly #restKeys: readonly number[];
  readonly #restIds: readonly number[];
  readonly #restPaths: readonly { readonly index: number; readonly value: Uint8Array }[];

  /** `narrow` keeps all arguments but the first out of the lookup, see `MatchIndex`. */
  constructor(rule: MatchRule, interner: Interner, narrow: boolean) {
    this.rule = rule;
    const texts = lookupTexts(rule);
    const [, firstArgument] = texts.find(([key]) => isArgumentKey(key)) ?? [];
    const isRest = ([key, text]: LookupText): boolean =>
      narrow && isArgumentKey(key) && text !== firstArgument;
    const rest = texts.filter(isRest);
    const used = texts.filter((text) => !isRest(text));
    this.keys = used.map(([key]) => key);
    this.ids = used.map(([, text]) => interner.retain(text.value));
    this.#restKeys = rest.map(([key]) => key);
    this.#restIds = rest.map(([, text]) => interner.retain(text.value));

    const [path, ...restPaths] = rule.args.filter((arg) => arg.kind === 'path');
    this.pathArgument = path?.index ?? -1;
    this.pathPieces = path === undefined ? undefined : retainPieces(interner, path.value);
    this.#restPaths = restPaths.map(({ index, value }) => ({
      index,
      value: encoder.encode(value),
    }));
  }

  release(interner: Interner): void {
    for (const id of this.ids) interner.release(id);
    for (const id of this.#restIds) interner.release(id);
    if (this.pathPieces !== undefined) releasePieces(interner, this.pathPieces);
  }

  hasIds(ids: Int32Array): boolean {
    for (let i = 0; i < this.ids.length; i++) if (this.ids[i] !== ids[i]) return false;
    return true;
  }

  /** Compares the keys that the lookup did not cover. */
  matchesRest(type: number, bytes: Uint8Array, fields: MatchFields): boolean {
    if (this.rule.type !== undefined && this.rule.type !== type) return false;
    for (let i = 0; i < this.#restKeys.length; i++) {
      if (fields.idOf(this.#restKeys[i]) !== this.#restIds[i]) return false;
    }
    for (let i = 0; i < this.#restPaths.length; i++) {
      const { index, value } = this.#restPaths[i];
      if (!fields.args.isStringOrPath(index)) return false;
      const { offsets, lengths } = fields.args;
      if (!isPathMatch(bytes, offsets[index], lengths[index], value)) return false;
    }
    return true;
  }
}

type LookupText = readonly [key: number, text: { readonly value: string }];

function isArgumentKey(key: number): boolean {
  return key >= MatchKey.Argument && key < MatchKey.PathNamespace;
}

function lookupTexts(rule: MatchRule): LookupText[] {
  const texts: LookupText[] = [];
  const add = (key: number, value: string | undefined): void => {
    if (value !== undefined) texts.push([key, { value }]);
  };
  add(MatchKey.Interface, rule.interface);
  add(MatchKey.Member, rule.member);
  add(MatchKey.Path, rule.path);
  for (const arg of rule.args) add(argumentKey(arg), arg.kind === 'path' ? undefined : arg.value);
  add(MatchKey.PathNamespace, rule.pathNamespace);
  add(MatchKey.Sender, rule.sender);
  add(MatchKey.Destination, rule.destination);
  return texts.toSorted(([a], [b]) => a - b);
}

function argumentKey({ index, kind }: MatchArgument): number {
  return kind === 'namespace' ? MatchKey.ArgumentNamespace : MatchKey.Argument + index;
}

/** The rule for argNpath, see path-trie.ts. */
function isPathMatch(
  bytes: Uint8Array,
  offset: number,
  length: number,
  value: Uint8Array,
): boolean {
  const shared = Math.min(length, value.length);
  if (length < value.length && (length === 0 || bytes[offset + length - 1] !== SLASH)) return false;
  if (value.length < length && (shared === 0 || value[shared - 1] !== SLASH)) return false;
  for (let i = 0; i < shared; i++) if (bytes[offset + i] !== value[i]) return false;
  return true;
}
