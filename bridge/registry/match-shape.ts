/**
 * All rules of an index that have the same keys. One hash lookup by the values of these keys finds
 * those that a message can match, however many others there are ("tuple space search").
 */

import type { Interner } from './interner.js';
import type { MatchEntry } from './match-entry.js';
import { PathTrie } from './path-trie.js';

/** The rules that have the same values, too. */
export class MatchGroup<Subscriber> {
  readonly hash: number;
  /** Another group whose values happen to have the same hash. */
  next: MatchGroup<Subscriber> | undefined;
  /** Rules without argNpath; they differ in what is left to compare. */
  readonly entries: MatchEntry<Subscriber>[] = [];
  readonly paths: PathTrie<MatchEntry<Subscriber>> | undefined;
  /** Any entry, to compare ids with: they all have the same. */
  readonly first: MatchEntry<Subscriber>;

  constructor(hash: number, first: MatchEntry<Subscriber>, interner: Interner) {
    this.hash = hash;
    this.first = first;
    this.paths = first.pathArgument < 0 ? undefined : new PathTrie(interner);
  }

  get isEmpty(): boolean {
    return this.entries.length === 0 && (this.paths?.isEmpty ?? true);
  }

  add(entry: MatchEntry<Subscriber>): void {
    if (entry.pathPieces !== undefined) {
      this.paths?.add(entry.pathPieces, entry);
      return;
    }
    entry.groupPosition = this.entries.length;
    this.entries.push(entry);
  }

  delete(entry: MatchEntry<Subscriber>): void {
    if (entry.pathPieces !== undefined) {
      this.paths?.delete(entry.pathPieces, entry);
      return;
    }
    const last = this.entries.pop();
    if (last === undefined || last === entry) return;
    this.entries[entry.groupPosition] = last;
    last.groupPosition = entry.groupPosition;
  }
}

export function mixHash(hash: number, id: number): number {
  const mixed = Math.imul(hash ^ id, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

/** Names a shape: equal for all rules that belong to it. */
export function shapeName(keys: readonly number[], pathArgument: number): string {
  return `${keys.join(',')};${pathArgument}`;
}

export class MatchShape<Subscriber> {
  readonly name: string;
  readonly keys: readonly number[];
  readonly pathArgument: number;
  readonly #groups = new Map<number, MatchGroup<Subscriber>>();

  constructor(keys: readonly number[], pathArgument: number) {
    this.name = shapeName(keys, pathArgument);
    this.keys = keys;
    this.pathArgument = pathArgument;
  }

  get isEmpty(): boolean {
    return this.#groups.size === 0;
  }

  find(hash: number, ids: Int32Array): MatchGroup<Subscriber> | undefined {
    let group = this.#groups.get(hash);
    while (group !== undefined && !group.first.hasIds(ids)) group = group.next;
    return group;
  }

  add(entry: MatchEntry<Subscriber>, interner: Interner): void {
    const hash = hashOf(entry);
    let group = this.find(hash, Int32Array.from(entry.ids));
    if (group === undefined) {
      group = new MatchGroup(hash, entry, interner);
      group.next = this.#groups.get(hash);
      this.#groups.set(hash, group);
    }
    group.add(entry);
  }

  delete(entry: MatchEntry<Subscriber>): void {
    const group = this.find(hashOf(entry), Int32Array.from(entry.ids));
    if (group === undefined) return;
    group.delete(entry);
    if (group.isEmpty) this.#unlink(group);
  }

  #unlink(group: MatchGroup<Subscriber>): void {
    const head = this.#groups.get(group.hash);
    if (head === group) {
      if (group.next === undefined) this.#groups.delete(group.hash);
      else this.#groups.set(group.hash, group.next);
      return;
    }
    let before = head;
    while (before !== undefined && before.next !== group) before = before.next;
    if (before !== undefined) before.next = group.next;
  }
}

function hashOf<Subscriber>(entry: MatchEntry<Subscriber>): number {
  let hash = 0;
  for (const id of entry.ids) hash = mixHash(hash, id);
  return hash;
}
