// The proxy under test and the real xdg-dbus-proxy, in front of dbus-daemon; and a bridge, which needs none.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { openFolder, ROOT } from '../support/bus-command.js';
import { type Environment, killAtExit } from '../support/process.js';
import { RawClient } from '../support/raw-client.js';

const BRIDGE = join(ROOT, 'dist/bridge/cli/bus1-bridge.js');

/** The command line in front of the words that both understand. */
export const PROXIES = {
  'xdg-dbus-proxy': ['xdg-dbus-proxy'],
  'bus1-bridge sandbox': [process.execPath, BRIDGE, 'sandbox'],
} as const;
export type ProxyKind = keyof typeof PROXIES;

/** What there is a proxy in front of. */
export interface FrontedBus {
  readonly address: string;
  readonly env: Environment;
}

/** A filter for each list of options, in one process, or in that of the bus. */
export class Front {
  readonly paths: readonly string[];
  /** the exit status of what was started */
  readonly exited: Promise<number>;
  /** its end ends the filters */
  private readonly life: Duplex;

  private constructor(child: ChildProcess, paths: readonly string[]) {
    this.paths = paths;
    this.life = child.stdio[3] as Duplex;
    this.exited = once(child, 'exit').then(([code]) => code as number);
  }

  /** Resolves when clients can come. */
  static async start(
    kind: ProxyKind,
    bus: FrontedBus,
    optionLists: readonly (readonly string[])[],
    general: readonly string[] = ['--filter'],
  ): Promise<Front> {
    const folder = openFolder('front-');
    const paths = optionLists.map((_, i) => join(folder, String(i)));
    const pairs = optionLists.flatMap((options, i) => [
      bus.address,
      paths[i],
      ...general,
      ...options,
    ]);
    const [command, ...words] = PROXIES[kind];
    const child = spawn(command, [...words, '--fd=3', ...pairs], {
      env: bus.env,
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    });
    killAtExit(child);
    const front = new Front(child, paths);
    await Promise.race([once(front.life, 'data'), front.exited]);
    return front;
  }

  /** A client of the proxy with these options. */
  connect(index: number): RawClient {
    return connectTo(this.paths[index]);
  }

  async stop(): Promise<void> {
    this.life.destroy();
    await this.exited;
  }
}

/** A client of a filter, which knows who owns what. */
export function connectTo(path: string): RawClient {
  const client = new RawClient(`unix:path=${path}`).authenticate();
  client.callBus('Hello');
  // The real one finds that out meanwhile: in two rounds for names with .*.
  for (let round = 0; round < 2; round++) client.callBus('GetId');
  return client;
}
