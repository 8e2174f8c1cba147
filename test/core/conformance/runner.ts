import { describe, expect, test } from 'vitest';
import type { Maxima } from '#core/index.js';
import type { OpenDomain } from './domain.js';
import { ROWS } from './rows.js';
import { Scene } from './scene.js';

const ROOMY: Maxima = { objects: 2 ** 24, bytes: 2 ** 30, descriptors: 2 ** 16 };
/** For the rows with random schedules and the hive. */
const ROW_TIMEOUT_MS = 300_000;

/**
 * One test for each row of the table (docs/bus1-core.md), each in a domain of its own that must end empty. `without`
 * are the rows that this domain's documentation says it does not promise.
 */
export function runConformance(
  name: string,
  openDomain: OpenDomain,
  without: readonly string[] = [],
): void {
  describe(`BUS1 conformance of the ${name} domain`, () => {
    for (const row of ROWS.filter(({ id }) => !without.includes(id))) {
      test(`${row.id} ${row.says}`, { timeout: ROW_TIMEOUT_MS }, async () => {
        const domain = await openDomain(row.maxima ?? ROOMY);
        try {
          await row.run(new Scene(domain));
        } finally {
          await domain.close();
        }
        await domain.settle();
        expect(await domain.charged()).toBe(0);
        expect(await domain.counts()).toEqual({ peers: 0, nodes: 0, handles: 0 });
        expect(await domain.descriptors()).toEqual({ open: 0, closedTwice: 0 });
        process.stdout.write(`${row.id} ok — ${row.says}\n`);
      });
    }
  });
}
