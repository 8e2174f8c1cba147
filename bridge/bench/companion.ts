import { writeSync } from 'node:fs';
import { prctl, PrctlOption } from '#core/linux/index.js';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import { entryAt } from './keys.js';

import { MessageBatch } from './batch.js';
import { BlockingConnection } from './blocking-connection.js';
import type { CompanionKind } from './programs.js';

// Additional load on a bus, beside the conversation that is measured: see programs.ts.

const SIGKILL = 9;
const IDLE_CONNECTIONS = 1000;
const RULE_CONNECTIONS = 100;
const RULES_EACH = 1000;
const FLOOD_MESSAGES = 64;
const FLOOD_NAME = 'org.bus1.Bench.Flooded';
const FLOOD_INTERFACE = 'org.bus1.Bench.Flood';

const COMPANIONS: Record<CompanionKind, (path: string, ready: () => void) => void> = {
  'idle-connections': (path, ready) => {
    keep(openMany(path, IDLE_CONNECTIONS), ready);
  },
  'match-rules': (path, ready) => {
    const connections = openMany(path, RULE_CONNECTIONS);
    for (const [index, connection] of connections.entries()) {
      for (let rule = 0; rule < RULES_EACH; rule++) {
        const text = `type='signal',interface='org.bus1.Bench.R${index}',member='M${rule}'`;
        connection.callBus('AddMatch', 's', [text]);
      }
    }
    keep(connections, ready);
  },
  flooder: (path, ready) => {
    /* the service does not read: this shows what the bus keeps for it, and whom it charges */
    const service = BlockingConnection.openBus(path);
    service.callBus('RequestName', 'su', [FLOOD_NAME, 0]);
    flood(path, callOf(FLOOD_NAME), ready);
  },
  'deaf-subscriber': (path, ready) => {
    const subscriber = BlockingConnection.openBus(path);
    subscriber.callBus('AddMatch', 's', [`type='signal',interface='${FLOOD_INTERFACE}'`]);
    flood(path, SIGNAL, ready);
  },
  'busy-loop': (_path, ready) => {
    ready();
    for (;;);
  },
};

function openMany(path: string, count: number): BlockingConnection[] {
  return Array.from({ length: count }, () => BlockingConnection.openBus(path, SMALL_INPUT_BYTES));
}

const SMALL_INPUT_BYTES = 256 << 10;

/** Keeps the connections open until this process is ended. */
function keep(connections: readonly BlockingConnection[], ready: () => void): void {
  ready();
  setInterval(() => connections.length, 1 << 30);
}

/**
 * Sends forever. The bus answers with errors, which are read, or closes the connection, which is opened again.
 */
function flood(path: string, message: Uint8Array, ready: () => void): never {
  const batch = MessageBatch.repeat(message, FLOOD_MESSAGES);
  let sender = BlockingConnection.openBus(path);
  ready();
  for (;;) {
    try {
      batch.send(sender, batch.count);
      sender.skipWhatIsThere();
    } catch {
      sender.close();
      sender = BlockingConnection.openBus(path);
    }
  }
}

function callOf(destination: string): Uint8Array {
  return encodeMessage(
    {
      type: MessageType.MethodCall,
      flags: MessageFlag.NoReplyExpected,
      serial: 1,
      path: '/',
      interface: FLOOD_INTERFACE,
      member: 'Flood',
      destination,
      signature: 'ay',
    },
    [new Uint8Array(1024)],
  );
}

const SIGNAL = encodeMessage(
  {
    type: MessageType.Signal,
    serial: 1,
    path: '/',
    interface: FLOOD_INTERFACE,
    member: 'Flood',
    signature: 'ay',
  },
  [new Uint8Array(1024)],
);

prctl(PrctlOption.SetParentDeathSignal, SIGKILL);
const [kind, path = ''] = process.argv.slice(2);
entryAt(COMPANIONS, kind)(path, () => writeSync(1, 'ready\n'));
