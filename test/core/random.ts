import { randomInt } from 'node:crypto';

/** A small seeded generator (mulberry32), so that a failing run can be repeated from its printed seed. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** an integer from 0 up to, not including, `limit` */
  below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  chance(probability: number): boolean {
    return this.below(1_000_000) < probability * 1_000_000;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  shuffled<T>(list: readonly T[]): T[] {
    const result = [...list];
    for (let i = result.length - 1; i > 0; i--) {
      const k = this.below(i + 1);
      [result[i], result[k]] = [result[k], result[i]];
    }
    return result;
  }
}

/** A generator whose seed is printed; the environment variable `variable` repeats a run. */
export function seededRandom(variable: string, label: string): Random {
  const seed = Number(process.env[variable] ?? randomInt(2 ** 32));
  process.stdout.write(`${label}: ${variable}=${seed}\n`);
  return new Random(seed);
}
