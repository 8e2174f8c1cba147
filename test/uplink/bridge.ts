// `bus1-bridge attach` as a program of its own, as users run it.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { UplinkStatus } from '#bridge/uplink/uplink-interface.js';
import { ROOT, openFolder } from '../support/bus-command.js';
import { cleanEnvironment, output, sessionConfig } from '../support/bus.js';
import { type Environment, type Program, start } from '../support/process.js';
import type { OldBus, Service } from './old-bus.js';
import { installService } from './old-bus.js';

const COMMAND = join(ROOT, 'dist/bridge/cli/bus1-bridge.js');

export interface BridgeOptions {
  readonly imports?: readonly string[];
  readonly exports?: readonly string[];
  readonly args?: readonly string[];
  readonly services?: readonly Service[];
  /** elements of the configuration, behind those that let everybody do everything */
  readonly policy?: string;
}

export class Bridge {
  readonly address: string;
  readonly env: Environment;
  readonly program: Program;
  readonly #folder: string;

  private constructor(folder: string, program: Program) {
    this.#folder = folder;
    this.address = `unix:path=${join(folder, 'bus')}`;
    this.env = { ...cleanEnvironment(folder), DBUS_SESSION_BUS_ADDRESS: this.address };
    this.program = program;
  }

  static async attach(to: OldBus, options: BridgeOptions = {}): Promise<Bridge> {
    const { imports = [], exports = [], args = [], services = [], policy = '' } = options;
    const folder = openFolder('bridge-');
    mkdirSync(join(folder, 'services'));
    for (const service of services) installService(join(folder, 'services'), service);
    const config = join(folder, 'bus.conf');
    const everybody = '<policy context="default"><allow user="*"/></policy>';
    const more = `${everybody}${policy}<servicedir>${join(folder, 'services')}</servicedir>`;
    writeFileSync(config, sessionConfig(`unix:path=${join(folder, 'unused')}`, more));
    const words = [
      COMMAND,
      'attach',
      '--bus',
      to.address,
      '--address',
      `unix:path=${join(folder, 'bus')}`,
      '--config',
      config,
      '--print-address',
      ...imports.flatMap((pattern) => ['--import', pattern]),
      ...exports.flatMap((pattern) => ['--export', pattern]),
      ...args,
    ];
    const program = start(process.execPath, words, { env: cleanEnvironment(folder) });
    const bridge = new Bridge(folder, program);
    await program.waitForLine(/^unix:path=/);
    return bridge;
  }

  /** Calls a method of org.bus1.Uplink with gdbus, and returns what that prints. */
  uplink(method: string, ...args: readonly string[]): Promise<string> {
    const where = ['--dest', 'org.freedesktop.DBus', '--object-path', '/org/freedesktop/DBus'];
    const words = ['call', '--session', ...where, '--method', `org.bus1.Uplink.${method}`, ...args];
    return output('gdbus', words, { env: this.env });
  }

  async status(): Promise<UplinkStatus> {
    const [, json] = /^\('(.*)',\)\s*$/su.exec(await this.uplink('Status')) ?? [];
    return JSON.parse(json ?? 'null');
  }

  async stop(): Promise<void> {
    await this.program.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
