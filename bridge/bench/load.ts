import { encodeMessage } from '#bridge/wire/message.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import { MessageBatch } from './batch.js';
import type { BlockingConnection } from './blocking-connection.js';
import {
  latencyFigures,
  NOTHING,
  OUTSTANDING,
  rateFigure,
  roundTripBytes,
  subscribersOf,
} from './figures.js';
import type { Measured, Row, Subscribers } from './figures.js';
import { BENCH_INTERFACE, BENCH_PATH, serviceName, signalInterface } from './names.js';
import { perSecond, timeEach, warmly } from './timing.js';

// Without replies nothing holds a sender back, and a bus may disconnect a receiver with too much
// queued. So each batch ends in a call that is answered, and only this many batches are under way:
// about 100 KiB, within every bus's limits, and far more than a bus needs to keep busy.
const BATCH_MESSAGES = 128;
const BATCHES_UNDER_WAY = 6;

/**
 * Measures one row over `connection` for about `durationMs`, after a warm-up of a fifth of that.
 */
export function measure(connection: BlockingConnection, row: Row, durationMs: number): Measured {
  return warmly(durationMs, (ms) => run(connection, row, ms));
}

function run(connection: BlockingConnection, row: Row, durationMs: number): Measured {
  const bodyBytes = roundTripBytes(row);
  if (bodyBytes !== undefined) {
    return latencyFigures(row, roundTrips(connection, bodyBytes, durationMs));
  }
  const subscribers = subscribersOf(row);
  if (subscribers !== undefined) return signals(connection, row, subscribers, durationMs);
  switch (row) {
    case 'outstanding-64': {
      const { answered, rate } = callsOutstanding(connection, OUTSTANDING, untilTime(durationMs));
      return rateFigure(row, rate, 2 * answered);
    }
    case 'one-way':
      return oneWayCalls(connection, row, durationMs);
    case 'request-name':
    case 'add-match':
    case 'property':
      return busCalls(connection, row, durationMs);
    default:
      return NOTHING;
  }
}

/** A call to the echo service. The serial is patched later. */
function echoCall(bodyBytes: number): Uint8Array {
  return encodeMessage(
    {
      type: MessageType.MethodCall,
      serial: 1,
      path: BENCH_PATH,
      interface: BENCH_INTERFACE,
      member: 'Echo',
      destination: serviceName(0),
      signature: 'ay',
    },
    [new Uint8Array(bodyBytes).fill(0x55)],
  );
}

/**
 * Asks the service's connection `index` how many one-way messages it has received: answered in order
 * with them.
 */
function syncCall(index: number): Uint8Array {
  return encodeMessage({
    type: MessageType.MethodCall,
    serial: 1,
    path: BENCH_PATH,
    interface: BENCH_INTERFACE,
    member: 'Sync',
    destination: serviceName(index),
  });
}

/** One call after the other, for `durationMs`; how long each took, in microseconds, ascending. */
function roundTrips(
  connection: BlockingConnection,
  bodyBytes: number,
  durationMs: number,
): Float64Array {
  const call = new MessageBatch([echoCall(bodyBytes)]);
  const sorted = timeEach(durationMs, () => {
    call.send(connection, 1);
    connection.awaitReturn();
  });
  call.free();
  checkEcho(connection, bodyBytes);
  return sorted;
}

/** The last reply had all of the body: it was forwarded, not cut. */
function checkEcho(connection: BlockingConnection, bodyBytes: number): void {
  const { view, frame, bytes, next } = connection;
  const whole = view.getUint32(frame + 4, true) === bodyBytes + 4 && bytes[next - 1] === 0x55;
  if (!whole) throw new Error(`the echo of ${bodyBytes} bytes came back changed`);
}

/** When to stop: asked with the number of calls answered so far. */
export type Until = (answered: number) => boolean;

function untilTime(durationMs: number): Until {
  const deadline = performance.now() + durationMs;
  return () => performance.now() >= deadline;
}

/** Calls of the bus itself that belong together, one after the other. */
function busCalls(
  connection: BlockingConnection,
  row: keyof typeof BUS_CALLS,
  ms: number,
): Measured {
  const calls = BUS_CALLS[row].map(
    ([member, signature, body]) => new MessageBatch([busCall(member, signature, body)]),
  );
  const sorted = timeEach(ms, () => {
    for (const call of calls) {
      call.send(connection, 1);
      connection.awaitReturn();
    }
  });
  for (const call of calls) call.free();
  return latencyFigures(row, sorted, 2 * calls.length);
}

type BusCall = readonly [member: string, signature: string, body: readonly unknown[]];

const OWN_NAME = 'org.bus1.Bench.Own';
const OWN_RULE = "type='signal',sender='org.bus1.Bench.Nobody',member='Nothing'";

const BUS_CALLS = {
  'request-name': [
    ['RequestName', 'su', [OWN_NAME, 0]],
    ['ReleaseName', 's', [OWN_NAME]],
  ],
  'add-match': [
    ['AddMatch', 's', [OWN_RULE]],
    ['RemoveMatch', 's', [OWN_RULE]],
  ],
  property: [['Get', 'ss', ['org.freedesktop.DBus', 'Features']]],
} as const satisfies Record<string, readonly BusCall[]>;

function busCall(member: string, signature: string, body: readonly unknown[]): Uint8Array {
  const name = 'org.freedesktop.DBus';
  const fields = {
    type: MessageType.MethodCall,
    serial: 1,
    path: '/org/freedesktop/DBus',
    interface: member === 'Get' ? `${name}.Properties` : name,
    member,
    destination: name,
    signature,
  };
  return encodeMessage(fields, body);
}

/** Keeps `window` calls under way until `done`. */
export function callsOutstanding(
  connection: BlockingConnection,
  window: number,
  done: Until,
): { answered: number; rate: number } {
  const calls = MessageBatch.repeat(echoCall(32), window);
  const start = performance.now();
  let answered = 0;
  let outstanding = window;
  calls.send(connection, window);
  while (outstanding > 0) {
    connection.fill();
    let returned = 0;
    while (connection.nextFrame()) if (connection.isReturn()) returned++;
    answered += returned;
    outstanding -= returned;
    if (returned === 0 || done(answered)) continue;
    calls.send(connection, returned);
    outstanding += returned;
  }
  calls.free();
  return { answered, rate: perSecond(answered, start) };
}

/**
 * One-way calls per second: from the first that was sent to the proof that the last has arrived.
 */
function oneWayCalls(connection: BlockingConnection, row: Row, durationMs: number): Measured {
  const call = encodeMessage(
    {
      type: MessageType.MethodCall,
      flags: MessageFlag.NoReplyExpected,
      serial: 1,
      path: BENCH_PATH,
      interface: BENCH_INTERFACE,
      member: 'Tick',
      destination: serviceName(0),
      signature: 'ay',
    },
    [new Uint8Array(32)],
  );
  return ticks(connection, row, call, 1, durationMs);
}

/** Signals per second that were sent, and that each of the subscribers got. */
function signals(
  connection: BlockingConnection,
  row: Row,
  subscribers: Subscribers,
  durationMs: number,
): Measured {
  const signal = encodeMessage(
    {
      type: MessageType.Signal,
      serial: 1,
      path: BENCH_PATH,
      interface: signalInterface(subscribers),
      member: 'Tick',
      signature: 'ay',
    },
    [new Uint8Array(32)],
  );
  return ticks(connection, row, signal, subscribers, durationMs);
}

/** Sends `message` in batches and has every receiver confirm each batch. */
function ticks(
  connection: BlockingConnection,
  row: Row,
  message: Uint8Array,
  receivers: number,
  durationMs: number,
): Measured {
  const syncs = Array.from({ length: receivers }, (_, i) => syncCall(i));
  const copies = Array.from({ length: BATCH_MESSAGES }, () => message);
  const batch = new MessageBatch([...copies, ...syncs]);
  const before = ticksSeen(connection, syncs);
  const start = performance.now();
  const deadline = start + durationMs;
  let sent = 0;
  let unconfirmed = 0;
  do {
    batch.send(connection, batch.count);
    sent += BATCH_MESSAGES;
    unconfirmed += receivers;
    while (unconfirmed >= BATCHES_UNDER_WAY * receivers) {
      connection.awaitReturn();
      unconfirmed--;
    }
  } while (performance.now() < deadline);
  for (; unconfirmed > 0; unconfirmed--) connection.awaitReturn();
  const rate = perSecond(sent, start);
  const batches = sent / BATCH_MESSAGES;
  batch.free();
  checkTicks(before, ticksSeen(connection, syncs), sent);
  return rateFigure(row, rate, sent * receivers + 2 * batches * receivers);
}

/** How many one-way messages each receiver has received. */
function ticksSeen(connection: BlockingConnection, syncs: readonly Uint8Array[]): number[] {
  return syncs.map((sync) => {
    const call = new MessageBatch([sync]);
    call.send(connection, 1);
    connection.awaitReturn();
    call.free();
    return connection.view.getUint32(connection.next - 4, true); // the body is one UINT32
  });
}

function checkTicks(before: readonly number[], after: readonly number[], sent: number): void {
  for (const [i, count] of after.entries()) {
    const arrived = (count - (before[i] ?? 0)) >>> 0;
    if (arrived !== sent) {
      throw new Error(`${sent} messages were sent to ${serviceName(i)}, ${arrived} arrived`);
    }
  }
}
