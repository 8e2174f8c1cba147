/**
 * Equal byte strings get equal small numbers, so that rules and messages are compared by number. An id lives as
 * long as it is retained; 0 is never an id and means that no rule mentions the string.
 */

// 32-bit FNV-1a constants: draft-eastlake-fnv, section 5.
const FNV_OFFSET_BASIS = 0x811c9dc5 | 0;
const FNV_PRIME = 0x01000193;

const FIRST_CAPACITY = 64;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One FNV-1a step; start from `Interner.seed`, end with {@link finishHash}. */
export function stepHash(state: number, byte: number): number {
  return Math.imul(state ^ byte, FNV_PRIME);
}

/** Spreads the state over all bits: the table index is taken from the low ones. */
export function finishHash(state: number): number {
  const mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  return mixed ^ (mixed >>> 13);
}

export class Interner {
  /** Where every hash starts. A secret seed keeps senders from choosing strings that collide. */
  readonly seed: number;

  #heads = new Int32Array(FIRST_CAPACITY);
  #next = new Int32Array(FIRST_CAPACITY);
  #hashes = new Int32Array(FIRST_CAPACITY);
  #uses = new Int32Array(FIRST_CAPACITY);
  readonly #bytes: Uint8Array[] = [new Uint8Array(0)];
  readonly #freeIds: number[] = [];
  #size = 0;

  constructor(seed = FNV_OFFSET_BASIS) {
    this.seed = seed | 0;
  }

  /** Number of retained strings. */
  get size(): number {
    return this.#size;
  }

  /** Returns the id of `text` and counts one more use of it. */
  retain(text: string): number {
    const bytes = bytesOf(text);
    const hash = this.#hash(bytes, 0, bytes.length);
    const known = this.findHashed(hash, bytes, 0, bytes.length);
    if (known !== 0) {
      this.#uses[known]++;
      return known;
    }
    return this.#insert(bytes, hash);
  }

  /** Gives one use back; after the last one the id may be handed out again. */
  release(id: number): void {
    if (!(this.#uses[id] > 0)) throw new RangeError(`id ${id} is not retained`);
    this.#uses[id]--;
    if (this.#uses[id] > 0) return;
    this.#unlink(id);
    this.#bytes[id] = this.#bytes[0];
    this.#freeIds.push(id);
    this.#size--;
  }

  /** The string behind a retained id. */
  textOf(id: number): string {
    return decoder.decode(this.#bytes[id]);
  }

  /** The id of a slice of `bytes`, or 0. Allocates nothing. */
  find(bytes: Uint8Array, offset: number, length: number): number {
    return this.findHashed(this.#hash(bytes, offset, length), bytes, offset, length);
  }

  /** Like {@link find}, for a slice whose hash the caller has already. */
  findHashed(hash: number, bytes: Uint8Array, offset: number, length: number): number {
    let id = this.#heads[hash & (this.#heads.length - 1)];
    while (id !== 0) {
      if (this.#hashes[id] === hash && isEqual(this.#bytes[id], bytes, offset, length)) return id;
      id = this.#next[id];
    }
    return 0;
  }

  #hash(bytes: Uint8Array, offset: number, length: number): number {
    let state = this.seed;
    const end = offset + length;
    for (let i = offset; i < end; i++) state = Math.imul(state ^ bytes[i], FNV_PRIME);
    return finishHash(state);
  }

  #insert(bytes: Uint8Array, hash: number): number {
    const id = this.#freeIds.pop() ?? this.#bytes.length;
    if (id >= this.#heads.length) this.#grow();
    this.#bytes[id] = bytes;
    this.#hashes[id] = hash;
    this.#uses[id] = 1;
    this.#link(id);
    this.#size++;
    return id;
  }

  #link(id: number): void {
    const slot = this.#hashes[id] & (this.#heads.length - 1);
    this.#next[id] = this.#heads[slot];
    this.#heads[slot] = id;
  }

  #unlink(id: number): void {
    const slot = this.#hashes[id] & (this.#heads.length - 1);
    if (this.#heads[slot] === id) {
      this.#heads[slot] = this.#next[id];
      return;
    }
    let before = this.#heads[slot];
    while (this.#next[before] !== id) before = this.#next[before];
    this.#next[before] = this.#next[id];
  }

  #grow(): void {
    const capacity = this.#heads.length * 2;
    this.#next = new Int32Array(capacity);
    this.#hashes = grown(this.#hashes, capacity);
    this.#uses = grown(this.#uses, capacity);
    this.#heads = new Int32Array(capacity);
    for (let id = 1; id < this.#bytes.length; id++) if (this.#uses[id] > 0) this.#link(id);
  }
}

/** Names are short and ASCII: no call into the runtime, and no memory outside the heap. */
function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i);
    if (character >= 0x80) return encoder.encode(text);
    bytes[i] = character;
  }
  return bytes;
}

function grown(from: Int32Array, capacity: number): Int32Array<ArrayBuffer> {
  const to = new Int32Array(capacity);
  to.set(from);
  return to;
}

function isEqual(known: Uint8Array, bytes: Uint8Array, offset: number, length: number): boolean {
  if (known.length !== length) return false;
  for (let i = 0; i < length; i++) if (known[i] !== bytes[offset + i]) return false;
  return true;
}
