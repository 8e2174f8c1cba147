import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { createInterface } from 'node:readline';
import {
  Domain,
  join,
  type Bus,
  type Capability,
  type MemberOptions,
  type TransportKind,
} from '#bridge/client/index.js';
import { ROOT } from '../support/bus-command.js';
import { killAtExit } from '../support/process.js';
import { OldBus } from '../uplink/old-bus.js';
import { SERVICE } from './service-description.mjs';
import { ServiceProcess } from './service-process.js';

/** `bus1-bridge run`, with nobody on it. */
export class Bridge {
  readonly directory = mkdtempSync(joinPath(tmpdir(), 'native-'));
  readonly address = `unix:path=${this.directory}/bus`;
  readonly process: ChildProcess;

  private constructor() {
    const command = joinPath(ROOT, 'dist/bridge/cli/bus1-bridge.js');
    const args = [
      command,
      'run',
      '--address',
      this.address,
      '--print-address',
      '--log-level',
      'warn',
    ];
    this.process = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    killAtExit(this.process);
  }

  static async start(): Promise<Bridge> {
    const bridge = new Bridge();
    const lines = createInterface({ input: bridge.process.stdout! });
    const { done } = await lines[Symbol.asyncIterator]().next();
    if (done === true) throw new Error('bus1-bridge run has ended');
    return bridge;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const ended = once(this.process, 'exit');
      this.process.kill(signal);
      await ended;
    }
    rmSync(this.directory, { recursive: true });
  }
}

/** A bus, and how the processes of a test come there. */
export interface Place {
  readonly title: string;
  readonly transport: TransportKind;
  readonly isOurs: boolean;
  readonly open: () => Promise<Pick<Bridge, 'address' | 'stop'>>;
}

export const PLACES: readonly Place[] = [
  {
    title: 'in the domain of a bus',
    transport: 'domain',
    isOurs: true,
    open: () => Bridge.start(),
  },
  {
    title: 'over a socket of this bus',
    transport: 'socket',
    isOurs: true,
    open: () => Bridge.start(),
  },
  ...(['dbus-daemon', 'dbus-broker'] as const).map((kind): Place => ({
    title: `over a socket of ${kind}`,
    transport: 'socket',
    isOurs: false,
    open: () => OldBus.start(kind),
  })),
];

/** Tests of what needs a domain: capabilities as values, and whatever goes on without a bus. */
export function needsDomain(
  { transport }: { readonly transport: TransportKind },
  tests: () => void,
): void {
  if (transport === 'domain') tests();
}

/** Tests of what is otherwise without a domain. */
export function needsSocket({ transport }: Pick<Place, 'transport'>, tests: () => void): void {
  if (transport === 'socket') tests();
}

/** Tests that look into the bus itself. */
export function needsOurBus({ isOurs }: Pick<Place, 'isOurs'>, tests: () => void): void {
  if (isOurs) tests();
}

/** A service in another process, reached from this one: with a bus in between, or without. */
export interface Home {
  readonly transport: TransportKind;
  readonly service: ServiceProcess;
  readonly client: Bus | Domain;
  readonly capability: Capability;
  stop(): Promise<void>;
}

/** A service in a domain that it has created, without a bridge. */
export async function openDomain(options: MemberOptions = {}): Promise<Home> {
  const directory = mkdtempSync(joinPath(tmpdir(), 'domain-'));
  const path = joinPath(directory, 'authority');
  const service = await ServiceProcess.start('service.mjs', 'alone', path);
  const client = await Domain.join(path, options);
  const stop = async (): Promise<void> => {
    client.close();
    await service.end();
    rmSync(directory, { recursive: true });
  };
  return { transport: 'domain', service, client, capability: client.root, stop };
}

/** The same with a bus, on which the service has its name. */
export async function openBus(
  options: MemberOptions = {},
  { transport, open }: Place = PLACES[0],
): Promise<Home> {
  const bridge = await open();
  const { address } = bridge;
  const service = await ServiceProcess.start('service.mjs', transport, address, SERVICE);
  const client = await join({ ...options, address, transport });
  const capability = await client.resolve(SERVICE);
  const stop = async (): Promise<void> => {
    client.close();
    await service.end();
    await bridge.stop();
  };
  return { transport, service, client, capability, stop };
}
