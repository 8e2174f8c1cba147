import type { ContenderId } from './contenders.js';
import type { FigureId } from './figures.js';

/** What we promise: a figure of one contender against that of another in the same run. */
export interface Target {
  readonly figure: FigureId;
  readonly of: ContenderId;
  readonly relation: '<' | '<=' | '>=' | '>';
  readonly factor: number;
  /** undefined: the figure itself is what counts */
  readonly than: ContenderId | undefined;
}

export function target(
  figure: FigureId,
  of: ContenderId,
  relation: Target['relation'],
  factor: number,
  than?: ContenderId,
): Target {
  return { figure, of, relation, factor, than };
}

const RELATIONS: Record<Target['relation'], (value: number, limit: number) => boolean> = {
  '<': (value, limit) => value < limit,
  '<=': (value, limit) => value <= limit,
  '>=': (value, limit) => value >= limit,
  '>': (value, limit) => value > limit,
};

/** Whether `value` (a ratio, or the figure itself) is as promised. */
export function isMet({ relation, factor }: Target, value: number): boolean {
  return RELATIONS[relation](value, factor);
}

/** As it is printed: `outstanding-64, native-loop >= 30 x dbus-next`. */
export function targetText({ figure, of, relation, factor, than }: Target): string {
  const limit = Number(factor.toFixed(3));
  return `${figure}, ${of} ${relation} ${limit}${than === undefined ? '' : ` x ${than}`}`;
}
