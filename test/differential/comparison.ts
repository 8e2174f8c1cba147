import { isErrorText, isSameMessage, type NormalMessage } from './normalise.js';
import { KNOWN_DIFFERENCES, type Adjusted, type Step } from './known-differences.js';
import type { Observation } from './stage.js';

/** Two errors that mean the same and say it in other words. */
export interface TextPair {
  readonly errorName: string;
  readonly reference: string;
  readonly ours: string;
}

export interface Comparison {
  readonly isSame: boolean;
  /** Titles of the known differences that showed. */
  readonly known: readonly string[];
  readonly isEnd: boolean;
  readonly texts: readonly TextPair[];
}

/** Compares what everybody received after a step, apart from differences that are known. */
export function compareStep(step: Step): Comparison {
  let adjusted: Adjusted = step;
  const known: string[] = [];
  for (const difference of KNOWN_DIFFERENCES) {
    if (isSame(adjusted)) break;
    const next = difference.adjust({ ...adjusted, operation: step.operation });
    if (next === undefined || isUnchanged(adjusted, next)) continue;
    known.push(difference.title);
    adjusted = { ...next, isEnd: next.isEnd === true || adjusted.isEnd === true };
  }
  const same = isSame(adjusted);
  const texts = same ? textPairs(adjusted) : [];
  const isHidden = KNOWN_DIFFERENCES.some((difference) => difference.mayHideIn?.(step) === true);
  return { isSame: same, known, isEnd: adjusted.isEnd === true || isHidden, texts };
}

function isSame({ reference, ours }: Adjusted): boolean {
  if (reference.size !== ours.size) return false;
  return [...reference].every(([client, seen]) => {
    const other = ours.get(client) ?? [];
    return seen.length === other.length && seen.every((each, i) => isSameMessage(each, other[i]));
  });
}

function isUnchanged(before: Adjusted, after: Adjusted): boolean {
  return (
    isSame({ reference: before.reference, ours: after.reference }) &&
    isSame({ reference: before.ours, ours: after.ours })
  );
}

function textPairs({ reference, ours }: Adjusted): TextPair[] {
  return [...reference].flatMap(([client, seen]) =>
    seen.flatMap((message, i) => textPair(message, ours.get(client)?.[i])),
  );
}

function textPair(a: NormalMessage | string, b: NormalMessage | string | undefined): TextPair[] {
  const [reference, ours] = [errorText(a), errorText(b)];
  if (reference === undefined || ours === undefined) return [];
  if (reference.trimEnd() === ours.trimEnd()) return [];
  return [{ errorName: (a as NormalMessage).errorName ?? '', reference, ours }];
}

function errorText(message: NormalMessage | string | undefined): string | undefined {
  if (message === undefined || typeof message === 'string') return undefined;
  const [first] = message.body;
  return isErrorText(first) ? first.text : undefined;
}

/** Clients that saw something else on the one bus than on the other. */
export function clientsThatDiffer(reference: Observation, ours: Observation): number[] {
  const clients = [...new Set([...reference.keys(), ...ours.keys()])].toSorted((a, b) => a - b);
  return clients.filter((client) => {
    const only = (observation: Observation): Observation =>
      new Map([[client, observation.get(client) ?? []]]);
    return !isSame({ reference: only(reference), ours: only(ours) });
  });
}
