import { createInterface } from 'node:readline';
import { writeSync } from 'node:fs';
import { prctl, PrctlOption } from '#core/linux/index.js';
import { entryAt } from './keys.js';
import type { Answer, Caller, CallerKind, Command } from './programs.js';

// The load generator: see programs.ts. Each kind loads only what its own ends need.

const SIGKILL = 9;

const CALLERS: Record<CallerKind, (path: string) => Promise<Caller>> = {
  bus: async (path) => (await import('./ends/wire.js')).WireCaller.openBus(path),
  'other-host': async (path) => (await import('./ends/wire.js')).WireCaller.openElsewhere(path),
  raw: async (path) => (await import('./ends/wire.js')).WireCaller.openRaw(path),
  socket: async (path) => new (await import('./ends/socket.js')).SocketCaller(path),
  native: async (path) => new (await import('./ends/native.js')).NativeCaller(path),
  'native-loop': async (path) => (await import('./ends/native.js')).openNative(path),
  'dbus-next': async (path) =>
    (await import('./ends/dbus-next.js')).openDbusNext('dbus-next', path),
  'dbus-next-native': async (path) =>
    (await import('./ends/dbus-next.js')).openDbusNext('dbus-next-native', path),
};

async function answer(caller: Caller, command: Command): Promise<Answer> {
  try {
    if (command.kind === 'row') {
      return { measured: await caller.measure(command.row, command.durationMs) };
    }
    const heap = caller.heapGrowth?.(command.calls);
    return heap === undefined ? { error: 'this caller cannot measure the heap' } : { heap };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

prctl(PrctlOption.SetParentDeathSignal, SIGKILL);
const [kind, path = ''] = process.argv.slice(2);
const caller = await entryAt(CALLERS, kind)(path);
for await (const line of createInterface({ input: process.stdin })) {
  const command: Command = JSON.parse(line);
  writeSync(1, `${JSON.stringify(await answer(caller, command))}\n`);
}
caller.close();
