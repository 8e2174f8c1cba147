import type { Random } from '../core/random.js';

/** Where the attackers find the bus that they attack. */
export interface Place {
  /** of the socket for D-Bus clients */
  readonly socketPath: string;
  /** names of a D-Bus service, a native service, and one that is started on demand */
  readonly services: readonly string[];
  /** a folder that the attacker may write to */
  readonly folder: string;
}

/** What an attacker does, step by step: plain data, so that a find can be reduced and kept in a file. */
export interface Session {
  readonly target: string;
  readonly seed: number;
  readonly steps: readonly unknown[];
}

/** A kind of input from outside that is fuzzed. */
export interface Target {
  /** whether a bus is attacked; otherwise the attacker's own process has what is tested */
  readonly needsBus: boolean;
  generate(random: Random): readonly unknown[];
  /** Performs the steps, and returns how many inputs that were. Throws `Find` for what it sees itself. */
  perform(steps: readonly unknown[], place: Place): number | Promise<number>;
}

/** Something that must not be, seen by the one who attacks. */
export class Find extends Error {}

/** Numbers at which implementations change their minds. */
export const EDGES = [
  0,
  1,
  2,
  3,
  4,
  7,
  8,
  15,
  16,
  23,
  24,
  31,
  32,
  39,
  40,
  63,
  64,
  127,
  128,
  255,
  256,
  1000,
  4095,
  4096,
  65_535,
  65_536,
  1 << 20,
  (1 << 20) - 1,
  (1 << 24) + 1,
  2 ** 26,
  2 ** 27,
  2 ** 28,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 31 + 1,
  2 ** 32 - 8,
  2 ** 32 - 2,
  2 ** 32 - 1,
] as const;

/** An edge, something next to one, or anything. */
export function anyWord(random: Random): number {
  const kind = random.below(4);
  if (kind === 0) return random.below(2 ** 32);
  if (kind === 1) return random.below(64);
  return (random.pick(EDGES) + (kind === 2 ? 0 : random.below(5) - 2)) >>> 0;
}

export function bytesOf(random: Random, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, () => random.below(256));
}

/** Changes some of the bytes: flips, replaces, cuts, repeats, inserts. */
export function mutated(random: Random, bytes: Uint8Array): Uint8Array {
  let result: Uint8Array = Uint8Array.from(bytes);
  for (let times = 1 + random.below(3); times > 0; times--) result = mutatedOnce(random, result);
  return result;
}

function mutatedOnce(random: Random, bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return bytesOf(random, 1 + random.below(8));
  const at = random.below(bytes.length);
  const count = Math.min(bytes.length - at, 1 + random.below(16));
  switch (random.below(7)) {
    case 0:
      bytes[at] ^= 1 << random.below(8);
      return bytes;
    case 1:
      bytes[at] = random.pick([0, 1, 0x7f, 0x80, 0xff, 0x6c, 0x42, random.below(256)]);
      return bytes;
    case 2:
      return bytes.slice(0, at);
    case 3:
      return Buffer.concat([bytes.slice(0, at), bytes.slice(at, at + count), bytes.slice(at)]);
    case 4:
      return Buffer.concat([bytes.slice(0, at), bytes.slice(at + count)]);
    case 5:
      return Buffer.concat([bytes.slice(0, at), bytesOf(random, count), bytes.slice(at)]);
    default: {
      const word = at & ~3;
      if (word + 4 <= bytes.length) {
        new DataView(bytes.buffer, bytes.byteOffset).setUint32(word, anyWord(random), true);
      }
      return bytes;
    }
  }
}

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
export const fromBase64 = (text: string): Uint8Array => Buffer.from(text, 'base64');
