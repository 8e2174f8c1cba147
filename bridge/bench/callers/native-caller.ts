import { joinSync } from '#bridge/client/index.js';
import type { Bus, Capability } from '#bridge/client/index.js';
import type { Measured, Row } from '#bridge/bench/figures.js';
import { BENCH_INTERFACE, BENCH_PATH, serviceName } from '#bridge/bench/names.js';
import type { Caller } from '#bridge/bench/programs.js';
import { measureBlocking } from './blocking-echo.js';

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
