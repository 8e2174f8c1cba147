// The bus that is there already: a real dbus-daemon, or a real dbus-broker.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDbusBroker } from '#bridge/bench/dbus-broker.js';
import { openFolder } from '../support/bus-command.js';
import { cleanEnvironment, sessionConfig } from '../support/bus.js';
import { type Environment, type Program, start } from '../support/process.js';
import { PYTHON, needs } from '../support/software.js';
import { waitForSocket } from './wait-for-socket.js';

export const OLD_BUSES = ['dbus-daemon', 'dbus-broker'] as const;
export type OldBusKind = (typeof OLD_BUSES)[number];

export const OLD_BUS_SOFTWARE = {
  'dbus-daemon': [needs('dbus-daemon', 'dbus-daemon'), needs('dbus-send', 'dbus-bin')],
  'dbus-broker': [needs('dbus-broker-launch', 'dbus-broker'), needs('dbus-send', 'dbus-bin')],
} as const;

/** Whoever tests with blocking clients cannot read logs at the same time. */
const JOURNAL = join(import.meta.dirname, 'python/journal.py');
const FAKE_SYSTEMD = join(import.meta.dirname, 'python/fake_systemd.py');

/** One that can be stopped and started again at the same address. */
export class OldBus {
  readonly folder = openFolder('old-bus-');
  readonly address: string;
  readonly env: Environment;
  readonly #kind: OldBusKind;
  readonly #path: string;
  readonly #config: string;
  #stop: (() => Promise<void>) | undefined;
  #systemd: Program | undefined;
  #journal: Program | undefined;

  private constructor(kind: OldBusKind) {
    this.#kind = kind;
    this.#path = join(this.folder, 'bus');
    this.address = `unix:path=${this.#path}`;
    this.env = { ...cleanEnvironment(this.folder), DBUS_SESSION_BUS_ADDRESS: this.address };
    mkdirSync(join(this.folder, 'services'));
    this.#config = join(this.folder, 'bus.conf');
    const services = `<servicedir>${join(this.folder, 'services')}</servicedir>`;
    writeFileSync(this.#config, sessionConfig(this.address, services));
  }

  static async start(kind: OldBusKind, services: readonly Service[] = []): Promise<OldBus> {
    const bus = new OldBus(kind);
    for (const service of services) installService(join(bus.folder, 'services'), service);
    if (kind === 'dbus-broker') {
      bus.#journal = start(PYTHON, [JOURNAL]);
      await bus.#journal.waitForLine(/^ready$/);
    }
    await bus.start();
    // dbus-broker starts nothing itself.
    if (kind === 'dbus-broker' && services.length > 0) {
      const [{ exec }] = services;
      bus.#systemd = start(PYTHON, [FAKE_SYSTEMD, ...exec.split(' ')], { env: bus.env });
      await bus.#systemd.waitForLine(/^ready$/);
    }
    return bus;
  }

  async start(): Promise<void> {
    rmSync(this.#path, { force: true });
    if (this.#kind === 'dbus-broker') {
      const broker = startDbusBroker(this.#path, this.#config);
      this.#stop = () => broker.close();
    } else {
      const args = [`--config-file=${this.#config}`, '--nofork', '--nopidfile'];
      const daemon = start('dbus-daemon', args, { env: this.env });
      this.#stop = async () => {
        daemon.kill('SIGKILL');
        await daemon.ended;
      };
    }
    await waitForSocket(this.#path);
  }

  /** Ends it, without a word to its clients. */
  async kill(): Promise<void> {
    await this.#stop?.();
    this.#stop = undefined;
  }

  async stop(): Promise<void> {
    await this.kill();
    await this.#systemd?.stop();
    this.#journal?.end();
    await this.#journal?.ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A service file. */
export interface Service {
  readonly name: string;
  readonly exec: string;
}

export function installService(folder: string, { name, exec }: Service): void {
  writeFileSync(join(folder, `${name}.service`), `[D-BUS Service]\nName=${name}\nExec=${exec}\n`);
}
