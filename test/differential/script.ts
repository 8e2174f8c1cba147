import { clientsThatDiffer } from './comparison.js';
import type { Step } from './known-differences.js';
import { isErrorText, type NormalMessage } from './normalise.js';
import { describeOperation, valueText, type Operation } from './operation.js';
import type { Observation } from './stage.js';

/** A conversation that failed, for people: its steps, and what was seen after the last one. */
export function script(operations: readonly Operation[], { reference, ours }: Step): string {
  const steps = operations.map((each, i) => `${i + 1}. ${describeOperation(each)}`);
  const seen = clientsThatDiffer(reference, ours).flatMap((client) => [
    `   #${client} on dbus-daemon:`,
    ...lines(reference, client),
    `   #${client} on ours:`,
    ...lines(ours, client),
  ]);
  return [...steps, ...seen].join('\n');
}

function lines(observation: Observation, client: number): string[] {
  const seen = observation.get(client) ?? [];
  if (seen.length === 0) return ['     nothing'];
  return seen.map((message) => `     ${typeof message === 'string' ? message : line(message)}`);
}

function line(message: NormalMessage): string {
  const { body, ...fields } = message;
  const header = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([name, value]) => `${name}=${String(value)}`);
  const values = body.map((value) => (isErrorText(value) ? `“${value.text}”` : valueText(value)));
  return `${header.join(' ')} (${values.join(', ')})`;
}
