// What a process has granted to others, and what becomes of that when it has gone.
import { expect, test } from 'vitest';
import { LocalDomain, ResourceUser } from '#core/index.js';
import { ChannelError } from '#core/shared/index.js';
import { GrantTable } from '#core/shared/grants.js';
import { GRANTS_MAX, GRANTS_OUTLIVE_MS, ROWS_ALWAYS } from '#core/shared/layout.js';
import type { RowMaker } from '#core/shared/uid-rows.js';

const OTHERS = { uid: 1000, isTrusted: false };
const ITS_OWN = { uid: 1001, isTrusted: false };
const CLAIMANT = 9;
const NONCE = 1;

function openTable() {
  const local = new LocalDomain();
  const sink = { accept() {}, nodeReleased() {}, handleReleased() {} };
  const user = new ResourceUser(0, { objects: 100, bytes: 100, descriptors: 1 });
  const { node, handle } = local.openPeer({ user, sink }).createNode();
  const table = new GrantTable(local);
  const grant = (id: number, nonce = NONCE, maker: RowMaker = OTHERS): void =>
    table.add({ id, ...maker }, nonce, CLAIMANT, node);
  /** handles that the table holds */
  const held = (): number => node.handleCount - 1;
  return { table, grant, held, handle };
}

test('a grant can be claimed after its grantor has gone, by whom it was made to', () => {
  const { table, grant, held } = openTable();
  grant(2);
  table.depart(2, 0);
  expect(table.claim(2, NONCE, CLAIMANT + 1)).toBeNull();
  const handle = table.claim(2, NONCE, CLAIMANT);
  expect(handle?.live).toBe(true);
  table.peer.release(handle!);
  expect(held()).toBe(0);
});

test('but not for ever: it goes when any other process goes later', () => {
  const { table, grant, held } = openTable();
  grant(2);
  grant(3);
  table.depart(2, 0);
  table.depart(3, 1);
  table.depart(4, GRANTS_OUTLIVE_MS);
  expect(held()).toBe(2);
  table.depart(5, GRANTS_OUTLIVE_MS + 1);
  expect(table.has(2, NONCE)).toBe(false);
  expect(table.has(3, NONCE)).toBe(true);
  expect(held()).toBe(1);
});

test('what processes of a uid have left makes room for those that are there, and nothing of another uid does', () => {
  const { table, grant, held } = openTable();
  grant(1, NONCE, ITS_OWN);
  table.depart(1, 0);
  const half = GRANTS_MAX / 2;
  for (const grantor of [2, 3, 4, 5]) {
    for (let nonce = 1; nonce <= half; nonce++) grant(grantor, nonce);
    table.depart(grantor, 0);
    expect(held()).toBeLessThanOrEqual(1 + GRANTS_MAX);
  }
  expect([1, 2, 3, 4, 5].filter((grantor) => table.has(grantor, NONCE))).toEqual([1, 4, 5]);
});

test('a uid has so many grants together, and a process some of its own', () => {
  const { grant } = openTable();
  for (let nonce = 1; nonce <= GRANTS_MAX; nonce++) grant(2, nonce);
  expect(() => grant(2, GRANTS_MAX + 1)).toThrow('its uid has more than 65536 unclaimed grants');
  for (let nonce = 1; nonce <= ROWS_ALWAYS; nonce++) grant(3, nonce);
  expect(() => grant(3, ROWS_ALWAYS + 1)).toThrow(ChannelError);
  grant(4, NONCE, ITS_OWN);
});

test('claimed and revoked grants make room', () => {
  const { table, grant, held } = openTable();
  for (const round of [1, 2]) {
    for (let nonce = 1; nonce <= GRANTS_MAX; nonce++) grant(round, nonce);
    for (let nonce = 1; nonce <= GRANTS_MAX / 2; nonce++) {
      table.peer.release(table.claim(round, nonce, CLAIMANT)!);
    }
    table.revoke(CLAIMANT);
    expect(held()).toBe(0);
  }
});

test('whoever was granted more than there is stack for arguments can go', () => {
  const { table, grant, held } = openTable();
  for (const grantor of [2, 3, 4]) {
    const maker = { uid: grantor, isTrusted: false };
    for (let nonce = 1; nonce <= GRANTS_MAX; nonce++) grant(grantor, nonce, maker);
  }
  table.revoke(CLAIMANT);
  expect(held()).toBe(0);
});

test('what a grantor that has come back grants is not dropped with what it had granted before', () => {
  const { table, grant } = openTable();
  grant(2);
  table.depart(2, 0);
  grant(2, NONCE + 1);
  table.depart(3, GRANTS_OUTLIVE_MS + 1);
  expect(table.has(2, NONCE + 1)).toBe(true);
});
