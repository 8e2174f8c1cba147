import { implement, join, joinSync } from '#bridge/client/index.js';
import type { Bus, Capability, InterfaceDescription, NoMembers } from '#bridge/client/index.js';
import type { Measured, Row } from '#bridge/bench/figures.js';
import { BENCH_INTERFACE, BENCH_PATH, serviceName } from '#bridge/bench/names.js';
import type { Caller } from '#bridge/bench/programs.js';
import { measureBlocking } from './blocking-echo.js';
import { LoopCaller } from './loop-caller.js';

interface Methods {
  Echo(bytes: Uint8Array): Uint8Array;
}

/** What the echo service offers to native peers, as `bus1-bridge generate` would write it. */
const BenchInterface: InterfaceDescription<Methods, NoMembers, NoMembers> = {
  name: BENCH_INTERFACE,
  methods: { Echo: { in: 'ay', out: 'ay' } },
  signals: {},
  properties: {},
};

/** The native API, with calls that block. */
export class NativeCaller implements Caller {
  readonly #bus: Bus;
  readonly #service: Capability;

  constructor(path: string) {
    this.#bus = joinSync({ address: `unix:path=${path}` });
    this.#service = this.#bus.resolveSync(serviceName(0));
  }

  measure(row: Row, durationMs: number): Measured {
    return measureBlocking(row, durationMs, (lengthBytes) => {
      const { body } = this.#service.callSync({
        path: BENCH_PATH,
        interface: BENCH_INTERFACE,
        member: 'Echo',
        signature: 'ay',
        body: [payload(lengthBytes)],
      });
      const [bytes] = body;
      return bytes instanceof Uint8Array ? bytes.length : 0;
    });
  }

  close(): void {
    this.#bus.close();
  }
}

let lastPayload = new Uint8Array(0);

/** Bytes to send, made once for each length. */
function payload(lengthBytes: number): Uint8Array {
  if (lastPayload.length !== lengthBytes) lastPayload = new Uint8Array(lengthBytes).fill(0x55);
  return lastPayload;
}

/** The native API in Node's loop, through a proxy, as programs use it. */
export async function openNative(path: string): Promise<LoopCaller> {
  const bus = await join({ address: `unix:path=${path}` });
  const { methods } = bus.proxy(BenchInterface, serviceName(0), BENCH_PATH);
  return new LoopCaller({
    bytes: (length) => new Uint8Array(length).fill(0x55),
    echo: (bytes) => methods.Echo(bytes),
    close: () => bus.close(),
  });
}

const echo = implement(BenchInterface, { methods: { Echo: (bytes) => bytes } });

/** A native service without a loop. */
export function serveBlocking(path: string, ready: () => void): never {
  const bus = joinSync({ address: `unix:path=${path}` });
  bus.serve(BENCH_PATH, echo);
  bus.requestNameSync(serviceName(0));
  ready();
  for (;;) bus.wait(-1);
}

/** A native service in Node's loop. */
export async function serveInLoop(path: string, ready: () => void): Promise<void> {
  const bus = await join({ address: `unix:path=${path}` });
  bus.serve(BENCH_PATH, echo);
  await bus.requestName(serviceName(0));
  ready();
}
