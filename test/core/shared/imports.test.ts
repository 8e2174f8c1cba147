import { describe, expect, it } from 'vitest';
import { Node } from '#core/node.js';
import { Import, ImportTable } from '#core/shared/imports.js';
import { CLAIMED_ID, ROOT_ID, SLOTS_MAX } from '#core/shared/layout.js';
import type { Link } from '#core/shared/link.js';

/** A table with imports under these IDs, and the imports. */
function tableOf(...ids: number[]): { table: ImportTable; imports: Import[] } {
  const table = new ImportTable();
  // What they belong to is of no interest to a table.
  const imports = ids.map((id) => new Import({} as Link, id, new Node(null as never, true)));
  for (const each of imports) table.add(each);
  return { table, imports };
}

const ROWS: readonly { what: string; ids: readonly number[] }[] = [
  { what: 'slots in order', ids: [0, 1, 2, 3] },
  { what: 'slots out of order', ids: [3, 1, 0, 2] },
  { what: 'uses of a slot after the first', ids: [0, 1 + 7 * SLOTS_MAX, 2] },
  { what: 'a slot twice at a time, which no honest exporter does', ids: [0, SLOTS_MAX, 1] },
  { what: 'the last slot of all', ids: [SLOTS_MAX - 1, 0] },
  { what: 'claims, whose slots others have', ids: [0, 1, CLAIMED_ID, CLAIMED_ID + 1, 2] },
  { what: 'the root', ids: [ROOT_ID, 0] },
];

describe('imports are found by their IDs', () => {
  it.each(ROWS)('$what', ({ ids }) => {
    const { table, imports } = tableOf(...ids);
    for (const each of imports) expect(table.get(each.id)).toBe(each);
    for (const id of [5, 5 + SLOTS_MAX, CLAIMED_ID + 5]) expect(table.get(id)).toBeUndefined();
  });

  it.each(ROWS)('$what: each one alone is forgotten', ({ ids }) => {
    for (const gone of ids) {
      const { table, imports } = tableOf(...ids);
      table.delete(gone);
      for (const each of imports) {
        expect(table.get(each.id)).toBe(each.id === gone ? undefined : each);
      }
    }
  });

  it('a slot is used again', () => {
    const { table } = tableOf(0, 1);
    table.delete(0);
    const again = new Import({} as Link, SLOTS_MAX, new Node(null as never, true));
    table.add(again);
    expect(table.get(0)).toBeUndefined();
    expect(table.get(SLOTS_MAX)).toBe(again);
  });

  it('one that is not there is forgotten without harm', () => {
    const { table, imports } = tableOf(0, 1);
    table.delete(SLOTS_MAX);
    table.delete(CLAIMED_ID);
    for (const each of imports) expect(table.get(each.id)).toBe(each);
  });

  it('all are forgotten at once', () => {
    const { table } = tableOf(0, 1, CLAIMED_ID);
    table.clear();
    for (const id of [0, 1, CLAIMED_ID]) expect(table.get(id)).toBeUndefined();
  });
});
