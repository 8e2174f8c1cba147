import { setTimeout as sleep } from 'node:timers/promises';
import { decodeDenials } from '#bridge/driver/status-json.js';
import type { DenialRow } from '#bridge/registry/denials.js';
import { askBus } from './ask-bus.js';

/** The interval at which --follow asks the bus. */
const PERIOD_MS = 1000;

/** What the policy of the bus at `address`, by default the session bus, has refused. @throws Error */
export async function busDenials(address?: string): Promise<DenialRow[]> {
  const [json] = await askBus(address, { member: 'GetDenials' }, 'record denials');
  return decodeDenials(String(json));
}

/** Yields each row that has grown, `count` being by how much, until `signal` is aborted. @throws Error */
export async function* newDenials(
  address: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<DenialRow> {
  const told = new Map<string, number>();
  for (;;) {
    for (const row of await busDenials(address)) {
      const key = JSON.stringify([row.program, row.uid, row.why, row.message, row.firstMs]);
      const count = row.count - (told.get(key) ?? 0);
      told.set(key, row.count);
      if (count > 0) yield { ...row, count };
    }
    try {
      await sleep(PERIOD_MS, undefined, { signal });
    } catch {
      return;
    }
  }
}

/** Two lines: who and what, then why. */
export function formatDenial(row: DenialRow): string {
  const { program, pid, uid, name, message, why, count, lastMs } = row;
  const who = `${program ?? 'a program'} (${name}, pid ${pid ?? 'unknown'}, uid ${uid ?? 'unknown'})`;
  const times = count === 1 ? 'once' : `${count} times`;
  return `${new Date(lastMs).toISOString()}  ${who}, ${times}: ${message}\n    ${why}\n`;
}
