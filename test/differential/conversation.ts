import { compareStep, type TextPair } from './comparison.js';
import type { Step } from './known-differences.js';
import type { Operation } from './operation.js';
import type { Stage } from './stage.js';

/** The same conversation on two buses. */
export interface Outcome {
  /** The first step after which somebody saw something else; undefined: there is none. */
  readonly failure: Step | undefined;
  readonly known: readonly string[];
  readonly texts: readonly TextPair[];
  readonly messages: number;
}

/** A bus of each kind, on which nobody is but those who take part. */
export interface Stages {
  readonly reference: Stage;
  readonly ours: Stage;
}

/** Holds a conversation on both buses at once, up to the first difference. */
export async function converse(stages: Stages, operations: readonly Operation[]): Promise<Outcome> {
  const known: string[] = [];
  const texts: TextPair[] = [];
  let failure: Step | undefined;
  let messages = 0;
  for (const operation of operations) {
    const [reference, ours] = await Promise.all([
      stages.reference.perform(operation),
      stages.ours.perform(operation),
    ]);
    const step: Step = { operation, reference, ours };
    const comparison = compareStep(step);
    for (const seen of reference.values()) messages += seen.length;
    known.push(...comparison.known);
    texts.push(...comparison.texts);
    if (!comparison.isSame) failure = step;
    if (!comparison.isSame || comparison.isEnd) break;
  }
  await Promise.all([stages.reference.clear(), stages.ours.clear()]);
  return { failure, known, texts, messages };
}

/** Leaves out steps as long as the conversation still fails. */
export async function shrink(
  stages: Stages,
  operations: readonly Operation[],
): Promise<readonly Operation[]> {
  let smallest = operations;
  for (let size = Math.ceil(smallest.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = smallest.length - size; at >= 0; at -= size) {
      const candidate = [...smallest.slice(0, at), ...smallest.slice(at + size)];
      const { failure } = await converse(stages, candidate);
      if (failure !== undefined) smallest = candidate;
    }
  }
  return smallest;
}
