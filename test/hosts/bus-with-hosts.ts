import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import type { BusStatus } from '#bridge/driver/status-json.js';
import type { HostStatus } from '#bridge/registry/host-report.js';
import { openFolder, ROOT } from '../support/bus-command.js';
import { cleanEnvironment } from '../support/bus.js';
import { killAtExit, output, type Environment } from '../support/process.js';

export type { BusStatus, HostStatus };

const PROGRAM = join(ROOT, 'dist/bridge/cli/bus1-bridge.js');

/** `bus1-bridge run --hosts N` on a private socket. */
export class BusWithHosts {
  readonly address: string;
  readonly env: Environment;
  readonly child: ChildProcess;
  private readonly folder: string;
  private log = '';

  private constructor(folder: string, hosts: number, more: readonly string[]) {
    this.folder = folder;
    this.address = `unix:path=${join(folder, 'bus')}`;
    this.env = { ...cleanEnvironment(folder), DBUS_SESSION_BUS_ADDRESS: this.address };
    const args = [PROGRAM, 'run', '--hosts', String(hosts), '--address', this.address, ...more];
    this.child = spawn(process.execPath, [...args, '--print-address', '--log-level', 'warn'], {
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    killAtExit(this.child);
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.log += text));
  }

  /** @param more further words of the command line */
  static async start(hosts: number, more: readonly string[] = []): Promise<BusWithHosts> {
    const bus = new BusWithHosts(openFolder('bus-hosts-'), hosts, more);
    for await (const address of createInterface({ input: bus.child.stdout! })) {
      if (address.startsWith(bus.address)) return bus;
    }
    throw new Error(`the bus did not start\n${bus.log}`);
  }

  get pid(): number {
    return this.child.pid!;
  }

  get stderr(): string {
    return this.log;
  }

  /** As `bus1-bridge status --json` prints it. */
  async status(): Promise<BusStatus> {
    const text = await output(process.execPath, [PROGRAM, 'status', '--json', this.address], {
      env: this.env,
    });
    return JSON.parse(text) as BusStatus;
  }

  /** The same, as soon as `isRight` finds it so. */
  async statusWhen(isRight: (status: BusStatus) => boolean): Promise<BusStatus> {
    for (;;) {
      const status = await this.status();
      if (isRight(status)) return status;
    }
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = once(this.child, 'exit');
      this.child.kill('SIGTERM');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
