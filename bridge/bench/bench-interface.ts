import type { InterfaceDescription, NoMembers } from '#bridge/client/index.js';
import { BENCH_INTERFACE } from './names.js';

interface Methods {
  Echo(bytes: Uint8Array): Uint8Array;
}

/** What the echo service offers to native peers, as `bus1-bridge generate` would write it. */
export const BenchInterface: InterfaceDescription<Methods, NoMembers, NoMembers> = {
  name: BENCH_INTERFACE,
  methods: { Echo: { in: 'ay', out: 'ay' } },
  signals: {},
  properties: {},
};
