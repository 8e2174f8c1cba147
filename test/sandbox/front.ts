// The proxy under test and the real xdg-dbus-proxy, in front of the same dbus-daemon.
import { join } from 'node:path';
import { ROOT } from '../support/bus-command.js';
import { type Program, start } from '../support/process.js';
import { RawClient } from '../support/raw-client.js';
import type { OldBus } from '../uplink/old-bus.js';

const BRIDGE = join(ROOT, 'dist/bridge/cli/bus1-bridge.js');

/** The command line in front of the words that both understand. */
export const PROXIES = {
  'xdg-dbus-proxy': ['xdg-dbus-proxy'],
  'bus1-bridge sandbox': [process.execPath, BRIDGE, 'sandbox'],
} as const;
export type ProxyKind = keyof typeof PROXIES;

/** One process with a filtering proxy for each list of options. */
export class Front {
  private readonly program: Program;
  private readonly paths: readonly string[];

  private constructor(program: Program, paths: readonly string[]) {
    this.program = program;
    this.paths = paths;
  }

  /** Resolves when the proxies are ready. */
  static async start(
    kind: ProxyKind,
    bus: OldBus,
    optionLists: readonly (readonly string[])[],
  ): Promise<Front> {
    const paths = optionLists.map((_, i) => join(bus.folder, `${kind.split(' ')[0]}-${i}`));
    const pairs = optionLists.flatMap((options, i) => [
      bus.address,
      paths[i],
      '--filter',
      ...options,
    ]);
    const [command, ...words] = PROXIES[kind];
    const program = start(command, [...words, '--fd=1', ...pairs], { env: bus.env });
    await program.waitForText(/x/);
    return new Front(program, paths);
  }

  /** A client of the proxy with these options. */
  connect(index: number): RawClient {
    const client = new RawClient(`unix:path=${this.paths[index]}`).authenticate();
    client.callBus('Hello');
    // The real one finds out who owns what meanwhile: in two rounds for names with .*, after which it is known.
    for (let round = 0; round < 2; round++) client.callBus('GetId');
    return client;
  }

  async stop(): Promise<void> {
    await this.program.stop();
  }
}
