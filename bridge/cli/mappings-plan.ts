import { setTimeout } from 'node:timers/promises';
import { mappingsOf, type MappingOptions } from './mapping-files.js';
import { BusMonitor, type Client } from './mappings-plan-monitor.js';
import { makePlan } from './mappings-plan-report.js';
import { planText } from './mappings-plan-text.js';
import { UsageError } from './usage-error.js';

export interface PlanOptions extends Pick<MappingOptions, 'mapping'> {
  /** `session`, `system` or an address. */
  readonly bus: string;
  readonly seconds: string;
  readonly json?: boolean;
}

const REDRAW_INTERVAL_MS = 100;

/** Watches a bus for some time, and prints which program calls which and the order in which names can move. */
export async function planMappings(options: PlanOptions): Promise<number> {
  const { bus, mapping = [], json = false } = options;
  const seconds = secondsOf(options.seconds);
  const mappings = mappingsOf({ mapping, mappings: true });
  const monitor = await BusMonitor.start(bus);
  try {
    await watch(monitor, seconds);
    const { address, traffic } = monitor;
    const names = new Set([
      ...traffic.owners.values(),
      ...traffic.dealings().map((one) => one.from),
    ]);
    const clients = new Map<string, Client>();
    for (const name of names) clients.set(name, await monitor.client(name));
    const plan = makePlan({ bus: address, seconds, traffic, clients, mappings });
    process.stdout.write(json ? `${JSON.stringify(plan, undefined, 2)}\n` : planText(plan));
    return 0;
  } finally {
    monitor.close();
  }
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (text !== '' && seconds > 0 && seconds <= 86_400) return seconds;
  throw new UsageError(`--seconds takes a number between 0 and 86400, not "${text}"`);
}

async function watch(monitor: BusMonitor, seconds: number): Promise<void> {
  const progress = new ProgressBar(process.stderr);
  const start = performance.now();
  const over = new AbortController();
  try {
    for (;;) {
      const elapsed = (performance.now() - start) / 1000;
      if (elapsed >= seconds) return;
      const text = `${elapsed.toFixed(0)}/${seconds} s, ${monitor.messages} messages`;
      progress.show(elapsed / seconds, text);
      const pauseMs = Math.min(REDRAW_INTERVAL_MS, (seconds - elapsed) * 1000);
      const pause = setTimeout(pauseMs, undefined, { signal: over.signal });
      await Promise.race([pause, monitor.broken]);
    }
  } finally {
    over.abort();
    progress.clear();
  }
}

const BAR_COLUMNS = 30;

/** A line on a terminal that shows how much has been done; nothing elsewhere. */
class ProgressBar {
  readonly #stream: NodeJS.WriteStream;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  /** @param fraction of what is to be done, from 0 to 1 */
  show(fraction: number, text: string): void {
    if (!this.#stream.isTTY) return;
    const bar = '#'.repeat(Math.floor(fraction * BAR_COLUMNS)).padEnd(BAR_COLUMNS, '.');
    // A terminal that does not know its width reports 0 columns.
    const line = `[${bar}] ${text}`.slice(0, (this.#stream.columns || Infinity) - 1);
    this.#stream.write(`\r\x1b[K${line}`);
  }

  clear(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\x1b[K');
  }
}
