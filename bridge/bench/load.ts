import { encodeMessage } from '#bridge/wire/message.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import { MessageBatch } from './batch.js';
import type { Connection } from './connection.js';
import type { Measured, Row } from './figures.js';
import { BENCH_INTERFACE, BENCH_PATH, serviceName, SIGNAL_INTERFACES } from './names.js';
import { percentile } from './statistics.js';

const SAMPLES_MAX = 1 << 18;
/** Even a row that is cut very short gives a median of something. */
const SAMPLES_MIN = 5;
const OUTSTANDING = 64;

// Without replies nothing holds a sender back, and a bus may end a receiver that it has to keep too
// much for. So each batch ends in a call that is answered, and only so many batches are under way:
// about 100 KiB, in the reach of every bus's limits, and far more than a bus needs to keep busy.
const BATCH_MESSAGES = 128;
const BATCHES_UNDER_WAY = 6;

const WARM_UP_SHARE = 0.2;

/**
 * Measures one row over `connection` for about `durationMs`, after a warm-up of a fifth of that.
 */
export function measure(connection: Connection, row: Row, durationMs: number): Measured {
  const run = RUNS[row];
  run(connection, durationMs * WARM_UP_SHARE);
  return run(connection, durationMs);
}

type Run = (connection: Connection, durationMs: number) => Measured;

const RUNS: Record<Row, Run> = {
  'round-trip-32': (connection, durationMs) => {
    const sorted = roundTrips(connection, 32, durationMs);
    return {
      'round-trip-32-p50': percentile(sorted, 0.5),
      'round-trip-32-p99': percentile(sorted, 0.99),
    };
  },
  'outstanding-64': (connection, durationMs) => ({
    'outstanding-64': callsOutstanding(connection, OUTSTANDING, untilTime(durationMs)),
  }),
  'one-way': (connection, durationMs) => ({ 'one-way': oneWayCalls(connection, durationMs) }),
  'round-trip-64k': (connection, durationMs) => ({
    'round-trip-64k-p50': percentile(roundTrips(connection, 64 << 10, durationMs), 0.5),
  }),
  'round-trip-1m': (connection, durationMs) => ({
    'round-trip-1m-p50': percentile(roundTrips(connection, 1 << 20, durationMs), 0.5),
  }),
  'signal-1': (connection, durationMs) => ({ 'signal-1': signals(connection, 1, durationMs) }),
  'signal-10': (connection, durationMs) => ({ 'signal-10': signals(connection, 10, durationMs) }),
};

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
 * Asks the service's connection `index` how many one-way messages it has had: answered in order
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
function roundTrips(connection: Connection, bodyBytes: number, durationMs: number): Float64Array {
  const call = new MessageBatch([echoCall(bodyBytes)]);
  const samples = new Float64Array(SAMPLES_MAX);
  const deadline = performance.now() + durationMs;
  let count = 0;
  let now = performance.now();
  while (count < SAMPLES_MAX && (now < deadline || count < SAMPLES_MIN)) {
    call.send(connection, 1);
    connection.awaitReturn();
    const end = performance.now();
    samples[count++] = (end - now) * 1000;
    now = end;
  }
  call.free();
  checkEcho(connection, bodyBytes);
  return samples.subarray(0, count).toSorted();
}

/** The last reply had all of the body: it was forwarded, not cut. */
function checkEcho(connection: Connection, bodyBytes: number): void {
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

/** Keeps `window` calls under way until `done`; returns calls per second. */
export function callsOutstanding(connection: Connection, window: number, done: Until): number {
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
  return perSecond(answered, start);
}

/**
 * One-way calls per second: from the first that was sent to the proof that the last has arrived.
 */
function oneWayCalls(connection: Connection, durationMs: number): number {
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
  return ticks(connection, call, 1, durationMs);
}

/** Signals per second that each of the subscribers got. */
function signals(connection: Connection, subscribers: 1 | 10, durationMs: number): number {
  const signal = encodeMessage(
    {
      type: MessageType.Signal,
      serial: 1,
      path: BENCH_PATH,
      interface: SIGNAL_INTERFACES[subscribers],
      member: 'Tick',
      signature: 'ay',
    },
    [new Uint8Array(32)],
  );
  return ticks(connection, signal, subscribers, durationMs);
}

/** Sends `message` in batches and has every receiver confirm each batch. */
function ticks(
  connection: Connection,
  message: Uint8Array,
  receivers: number,
  durationMs: number,
): number {
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
  batch.free();
  checkTicks(before, ticksSeen(connection, syncs), sent);
  return rate;
}

/** How many one-way messages each receiver has had. */
function ticksSeen(connection: Connection, syncs: readonly Uint8Array[]): number[] {
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
    const arrived = (count - before[i]) >>> 0;
    if (arrived !== sent) {
      throw new Error(`${sent} messages were sent to ${serviceName(i)}, ${arrived} arrived`);
    }
  }
}

function perSecond(count: number, startMs: number): number {
  return (count * 1000) / (performance.now() - startMs);
}
