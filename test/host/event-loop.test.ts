// A host runs beside Node's event loop. What Node does only there must not be left undone for ever.
import { expect, test } from 'vitest';
import { getuid, NativeMemory, randomBytes } from '#core/linux/index.js';
import { Host } from '#bridge/host/host.js';
import { DEFAULT_LIMITS, emptyPolicyRules } from '#policy/index.js';

const PAGE_BYTES = 4096;
/** More than what a host lets come together. */
const MANY = 2000;

function openHost(): Host {
  return new Host(
    {
      listenFds: [],
      limits: DEFAULT_LIMITS,
      rules: emptyPolicyRules(),
      guid: '0'.repeat(32),
      machineId: '0'.repeat(32),
      uid: getuid(),
      pid: process.pid,
      mechanisms: ['EXTERNAL'],
      allowAnonymous: false,
      arenaBytes: 8 << 20,
    },
    { randomBytes },
    { log() {}, ask() {}, commands() {} },
  );
}

function mapAndUnmap(times: number): void {
  for (let i = 0; i < times; i++) NativeMemory.map(PAGE_BYTES).unmap();
}

/** A host does this, and stops later. Returns how often Node's event loop could have had a turn until then. */
function turnsAfter(deed: () => void): number {
  const host = openHost();
  host.deadlines.add(performance.now(), () => {
    deed();
    host.deadlines.add(performance.now(), () => host.stop());
  });
  let turns = 0;
  while (!host.run()) turns++;
  return turns;
}

test('the loop has a turn when many pieces of memory have been viewed: it frees what Node keeps for each', () => {
  expect(turnsAfter(() => mapAndUnmap(MANY))).toBe(1);
});

test('and none otherwise', () => {
  expect(turnsAfter(() => mapAndUnmap(1))).toBe(0);
});
