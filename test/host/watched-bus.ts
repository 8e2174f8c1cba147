import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { ROOT } from '../support/bus-command.js';
import { type RunningBus, sessionConfig, start, startBus } from '../support/bus.js';
import type { Program } from '../support/process.js';
import type { RawClient } from '../support/raw-client.js';
import type { Variant } from '#bridge/wire/types.js';

export interface LogLine {
  level: string;
  msg: string;
  /** The connection that it is about. */
  name?: string;
  pid?: number;
  uid?: number;
  error?: string;
}

/** A bus whose log and figures are looked at. */
export class WatchedBus {
  readonly bus: RunningBus;

  private constructor(bus: RunningBus) {
    this.bus = bus;
  }

  static of(bus: RunningBus): WatchedBus {
    return new WatchedBus(bus);
  }

  /** Starts a session bus with these limits. */
  static async start(limits: Record<string, number> = {}, more = ''): Promise<WatchedBus> {
    const elements = Object.entries(limits).map(([name, value]) => limitElement(name, value));
    const config = sessionConfig('unix:path=@DIR@/bus', elements.join('\n') + more);
    return new WatchedBus(await startBus({ config }));
  }

  get address(): string {
    return this.bus.address;
  }

  /** What the bus has logged so far and what is more than information. */
  complaints(): LogLine[] {
    return this.bus
      .stderr()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line): LogLine => JSON.parse(line))
      .filter(({ level }) => level !== 'info' && level !== 'debug');
  }

  /** Waits until the bus has logged such a line. */
  async complaint(isWanted: (line: LogLine) => boolean): Promise<LogLine> {
    for (;;) {
      const found = this.complaints().find(isWanted);
      if (found !== undefined) return found;
      await new Promise(setImmediate);
    }
  }

  /** Descriptors that the bus has open. */
  openDescriptors(): number {
    return readdirSync(`/proc/${this.bus.pid}/fd`).length;
  }

  /** Memory of the bus in use, from proc(5). */
  residentBytes(): number {
    const status = readFileSync(`/proc/${this.bus.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024;
  }

  stop(): Promise<void> {
    return this.bus.stop();
  }
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
    const path = /^unix:path=([^,]*)/.exec(bus.address)![1]!;
    const script = join(ROOT, 'test/host/bystanders.mjs');
    const program = start(process.execPath, [script, path], { env: bus.env });
    await program.waitForLine(/^ready$/);
    return new Bystanders(program);
  }

  /** Nothing has happened to them. */
  async expectUndisturbed(): Promise<void> {
    this.#program.end();
    const { code, stdout, stderr } = await this.#program.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [, asked, answered] = /(\d+) asked, (\d+) answered/.exec(stdout)!;
    expect(Number(asked)).toBeGreaterThan(0);
    expect(answered).toBe(asked);
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
