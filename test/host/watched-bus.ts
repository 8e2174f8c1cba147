import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/bus-command.js';
import { type RunningBus, output, sessionConfig, start, startBus } from '../support/bus.js';
import type { Program } from '../support/process.js';
import { RawClient } from '../support/raw-client.js';
import type { Variant } from '#bridge/wire/types.js';

export interface LogLine {
  level: string;
  msg: string;
  /** The connection that it is about. */
  name?: string;
  pid?: number;
  uid?: number;
  error?: string;
  why?: string;
}

/** A bus whose log and figures are looked at. */
export class WatchedBus {
  readonly bus: RunningBus;
  readonly #clients: RawClient[] = [];

  private constructor(bus: RunningBus) {
    this.bus = bus;
  }

  static of(bus: RunningBus): WatchedBus {
    return new WatchedBus(bus);
  }

  /** Starts a session bus with these limits. */
  static async start(
    limits: Record<string, number> = {},
    more = '',
    hosts = 1,
  ): Promise<WatchedBus> {
    const elements = Object.entries(limits).map(([name, value]) => limitElement(name, value));
    const config = sessionConfig('unix:path=@DIR@/bus', elements.join('\n') + more);
    return new WatchedBus(await startBus({ config, env: { BUS1_HOSTS: String(hosts) } }));
  }

  get address(): string {
    return this.bus.address;
  }

  /** A client that is closed with the bus. */
  open(): RawClient {
    const client = RawClient.open(this.address);
    this.#clients.push(client);
    return client;
  }

  /** What the bus has logged so far. */
  log(): LogLine[] {
    const lines = this.bus.stderr().split('\n').slice(0, -1);
    return lines.map((line): LogLine => JSON.parse(line));
  }

  /** Of that, what is more than information. */
  complaints(): LogLine[] {
    return this.log().filter(isComplaint);
  }

  /** Waits until the bus has logged such a line. */
  async logged(isWanted: (line: LogLine) => boolean): Promise<LogLine> {
    return waitFor(() => this.log().find(isWanted));
  }

  /** Waits until the bus has complained of something, but for its first complaints. */
  async complaint(isWanted: (line: LogLine) => boolean, after = 0): Promise<LogLine> {
    return waitFor(() => this.complaints().slice(after).find(isWanted));
  }

  /** Descriptors that the bus has open. */
  openDescriptors(): number {
    return readdirSync(`/proc/${this.bus.pid}/fd`).length;
  }

  /** Waits until the bus has closed what is above that. */
  async descriptorsAtMost(count: number): Promise<void> {
    await waitFor(() => (this.openDescriptors() <= count ? true : undefined));
  }

  /** Memory of the bus in use, from proc(5). */
  residentBytes(): number {
    const status = readFileSync(`/proc/${this.bus.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024;
  }

  /** Sets RLIMIT_NOFILE of the running bus. */
  async limitOpenFiles(count: number): Promise<void> {
    await output('prlimit', ['--pid', String(this.bus.pid), `--nofile=${count}`]);
  }

  stop(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.close();
    return this.bus.stop();
  }
}

async function waitFor<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise(setImmediate);
  }
}

function isComplaint({ level }: LogLine): boolean {
  return level !== 'info' && level !== 'debug';
}

function limitElement(name: string, value: number): string {
  return `<limit name="${name}">${value}</limit>`;
}

/** Two clients that talk to each other all the while, in a process of their own. */
export class Bystanders {
  readonly #program: Program;

  private constructor(program: Program) {
    this.#program = program;
  }

  static async start({ bus }: WatchedBus): Promise<Bystanders> {
    const path = /^unix:path=([^,]*)/.exec(bus.address)![1];
    const script = join(ROOT, 'test/host/bystanders.mjs');
    const program = start(process.execPath, [script, path], { env: bus.env });
    await program.waitForLine(/^ready$/);
    return new Bystanders(program);
  }

  /** Ends them, and tells how their calls went. */
  async finish(): Promise<{ asked: number; answered: number }> {
    this.#program.end();
    const { code, stdout, stderr } = await this.#program.ended;
    const [, asked, answered] = /(\d+) asked, (\d+) answered/.exec(stdout) ?? [];
    if (code !== 0 || asked === undefined) throw new Error(`disturbed: ${stderr}`);
    return { asked: Number(asked), answered: Number(answered) };
  }
}

/** Figures of the bus, from Debug.Stats. */
export function busFigures(client: RawClient): Map<string, number> {
  const [entries] = client.call({
    destination: 'org.freedesktop.DBus',
    path: '/org/freedesktop/DBus',
    interface: 'org.freedesktop.DBus.Debug.Stats',
    member: 'GetStats',
  });
  return numbersOf(entries);
}

/** Figures of one connection. */
export function connectionFigures(client: RawClient, name: string): Map<string, number> {
  const [entries] = client.call(
    {
      destination: 'org.freedesktop.DBus',
      path: '/org/freedesktop/DBus',
      interface: 'org.freedesktop.DBus.Debug.Stats',
      member: 'GetConnectionStats',
      signature: 's',
    },
    [name],
  );
  return numbersOf(entries);
}

function numbersOf(entries: unknown): Map<string, number> {
  const variants = [...(entries as Map<string, Variant>)];
  return new Map(
    variants
      .filter(([, { signature }]) => signature === 'u' || signature === 't')
      .map(([key, { value }]) => [key, Number(value)]),
  );
}
