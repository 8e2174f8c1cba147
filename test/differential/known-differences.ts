import type { NormalMessage } from './normalise.js';
import type { Operation } from './operation.js';
import type { Observation } from './stage.js';

/** What followed a step on both buses. */
export interface Step {
  readonly operation: Operation;
  readonly reference: Observation;
  readonly ours: Observation;
}

/** What both saw once the difference is left out. */
export interface Adjusted {
  readonly reference: Observation;
  readonly ours: Observation;
  /** From here on the buses are in different states: the rest of the conversation tells nothing. */
  readonly isEnd?: boolean;
}

/** A difference that is meant. */
export interface KnownDifference {
  /** The title of its row in docs/compatibility.md. */
  readonly title: string;
  /** Undefined when this is not what has happened. */
  adjust(step: Step): Adjusted | undefined;
}

type Seen = NormalMessage | string;

export function without(observation: Observation, isLeftOut: (seen: Seen) => boolean): Observation {
  const kept = [...observation].map(
    ([client, seen]) => [client, seen.filter((each) => !isLeftOut(each))] as const,
  );
  return new Map(kept.filter(([, seen]) => seen.length > 0));
}

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [];
