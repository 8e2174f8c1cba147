/**
 * Finds argNpath rules. Such a rule matches an argument that equals its value, that begins with its
 * value if the value ends in "/", or that its value begins with if the argument ends in "/"
 * (D-Bus specification, "Match Rules", argNpath).
 *
 * Values are cut behind each "/". A node stands for the pieces that lead to it; a value that ends
 * in "/" lies on its node, any other one under its last piece.
 */

import type { Interner } from './interner.js';

const SLASH = 0x2f;

export interface PathVisitor<Entry> {
  visit(entry: Entry): void;
}

/** A value cut into interned pieces, which are retained until `releasePieces`. */
export interface PathPieces {
  readonly directories: readonly number[];
  /** The piece after the last "/"; 0 if the value ends in "/". */
  readonly last: number;
}

class PathNode<Entry> {
  readonly children = new Map<number, PathNode<Entry>>();
  readonly leaves = new Map<number, Set<Entry>>();
  readonly directory = new Set<Entry>();

  get isEmpty(): boolean {
    return this.children.size === 0 && this.leaves.size === 0 && this.directory.size === 0;
  }
}

export function retainPieces(interner: Interner, value: string): PathPieces {
  const pieces = value.split('/');
  const last = pieces.pop() ?? '';
  return {
    directories: pieces.map((piece) => interner.retain(piece)),
    last: last === '' && value !== '' ? 0 : interner.retain(last),
  };
}

export function releasePieces(interner: Interner, pieces: PathPieces): void {
  for (const id of pieces.directories) interner.release(id);
  if (pieces.last !== 0) interner.release(pieces.last);
}

export class PathTrie<Entry> {
  readonly #interner: Interner;
  readonly #root = new PathNode<Entry>();

  constructor(interner: Interner) {
    this.#interner = interner;
  }

  get isEmpty(): boolean {
    return this.#root.isEmpty;
  }

  add(pieces: PathPieces, entry: Entry): void {
    let node = this.#root;
    for (const piece of pieces.directories) {
      let child = node.children.get(piece);
      if (child === undefined) {
        child = new PathNode<Entry>();
        node.children.set(piece, child);
      }
      node = child;
    }
    if (pieces.last === 0) {
      node.directory.add(entry);
      return;
    }
    const leaf = node.leaves.get(pieces.last);
    if (leaf === undefined) node.leaves.set(pieces.last, new Set([entry]));
    else leaf.add(entry);
  }

  delete(pieces: PathPieces, entry: Entry): void {
    this.#deleteBelow(this.#root, pieces, 0, entry);
  }

  /** Visits each entry whose value matches the argument in this slice of `bytes`. */
  visitMatching(
    bytes: Uint8Array,
    offset: number,
    length: number,
    visitor: PathVisitor<Entry>,
  ): void {
    let node = this.#root;
    let pieceStart = offset;
    const end = offset + length;
    for (let at = offset; at < end; at++) {
      if (bytes[at] !== SLASH) continue;
      const piece = this.#interner.find(bytes, pieceStart, at - pieceStart);
      const child = piece === 0 ? undefined : node.children.get(piece);
      if (child === undefined) return;
      node = child;
      pieceStart = at + 1;
      if (pieceStart < end) visitAll(node.directory, visitor);
    }
    if (pieceStart === end && length > 0) {
      this.#visitBelow(node, visitor);
      return;
    }
    const leaf = node.leaves.get(this.#interner.find(bytes, pieceStart, end - pieceStart));
    if (leaf !== undefined) visitAll(leaf, visitor);
  }

  #visitBelow(node: PathNode<Entry>, visitor: PathVisitor<Entry>): void {
    visitAll(node.directory, visitor);
    if (node.leaves.size > 0) for (const leaf of node.leaves.values()) visitAll(leaf, visitor);
    if (node.children.size === 0) return;
    for (const child of node.children.values()) this.#visitBelow(child, visitor);
  }

  #deleteBelow(node: PathNode<Entry>, pieces: PathPieces, depth: number, entry: Entry): void {
    const directory = pieces.directories[depth];
    if (directory !== undefined) {
      const child = node.children.get(directory);
      if (child === undefined) return;
      this.#deleteBelow(child, pieces, depth + 1, entry);
      if (child.isEmpty) node.children.delete(directory);
      return;
    }
    if (pieces.last === 0) {
      node.directory.delete(entry);
      return;
    }
    const leaf = node.leaves.get(pieces.last);
    leaf?.delete(entry);
    if (leaf?.size === 0) node.leaves.delete(pieces.last);
  }
}

// The only place on a message's path that makes an iterator, and only where the node has argNpath rules.
function visitAll<Entry>(entries: Set<Entry>, visitor: PathVisitor<Entry>): void {
  if (entries.size === 0) return;
  for (const entry of entries) visitor.visit(entry);
}
