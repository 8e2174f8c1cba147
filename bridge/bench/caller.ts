import { createInterface } from 'node:readline';
import { writeSync } from 'node:fs';
import { prctl, PrctlOption } from '#core/linux/index.js';
import { Connection } from './connection.js';
import { heapGrowth } from './heap.js';
import { measure } from './load.js';
import type { Answer, Command } from './session.js';

// The load generator, a process of its own: `caller.js bus|raw SOCKET`. Each line on its input is a
// Command, each line on its output the Answer.

const SIGKILL = 9;

function answer(connection: Connection, command: Command): Answer {
  try {
    if (command.kind === 'heap') return { heap: heapGrowth(connection, command.calls) };
    return { measured: measure(connection, command.row, command.durationMs) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

prctl(PrctlOption.SetParentDeathSignal, SIGKILL);
const [transport, path] = process.argv.slice(2);
const connection = transport === 'raw' ? Connection.openRaw(path) : Connection.openBus(path);
for await (const line of createInterface({ input: process.stdin })) {
  const command: Command = JSON.parse(line);
  writeSync(1, `${JSON.stringify(answer(connection, command))}\n`);
}
connection.close();
