import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RunningBus, sessionConfig, startBus } from '../support/bus.js';
import { openFolder } from '../support/bus-command.js';
import { RawClient } from '../support/raw-client.js';

export const BUS = 'org.freedesktop.DBus';
export const ERROR = 'org.freedesktop.DBus.Error';

/** RequestName: the name or nothing. */
const DO_NOT_QUEUE = 4;

export interface ActivatingBusOptions {
  /** Elements to add to a configuration that allows everything. */
  readonly elements?: string;
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
  /** Installs what is to be there from the beginning. */
  readonly prepare?: (bus: ActivatingBus) => void;
}

/** The bus under test, with a directory for .service files, and clients that go with it. */
export class ActivatingBus {
  readonly folder = openFolder('activation-test-');
  /** A program that takes no name, which is for the test to do, and ends with it. */
  readonly idle = `/bin/sh -c "read line < ${this.folder}/end"`;
  readonly #clients: RawClient[] = [];
  readonly #end: number;
  #bus!: RunningBus;

  constructor() {
    const pipe = join(this.folder, 'end');
    execFileSync('mkfifo', [pipe]);
    this.#end = openSync(pipe, 'r+');
  }

  static async start(options: ActivatingBusOptions = {}): Promise<ActivatingBus> {
    const self = new ActivatingBus();
    options.prepare?.(self);
    self.#bus = await startBus({
      config: self.config(options.elements),
      args: options.args,
      env: options.env,
    });
    return self;
  }

  get address(): string {
    return this.#bus.address;
  }

  get stderr(): string {
    return this.#bus.stderr();
  }

  /** A configuration with our directory of .service files. */
  config(elements = ''): string {
    const services = `<servicedir>${this.folder}</servicedir>`;
    return sessionConfig('unix:path=@DIR@/bus', `${services}${elements}`);
  }

  /** Installs a .service file; returns the name. */
  install(name: string, exec: string = this.idle, keys = ''): string {
    writeFileSync(this.fileOf(name), `[D-BUS Service]\nName=${name}\nExec=${exec}\n${keys}\n`);
    return name;
  }

  uninstall(name: string): void {
    unlinkSync(this.fileOf(name));
  }

  connect(unixFds = true): RawClient {
    const client = RawClient.open(this.address, unixFds);
    this.#clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#bus.stop();
    /* whoever reads from it reads the end of the stream now */
    closeSync(this.#end);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private fileOf(name: string): string {
    return join(this.folder, `${name}.service`);
  }
}

/** Becomes the owner of `name`. What was sent to the name before is kept for `receive`. */
export function takeName(client: RawClient, name: string): void {
  const [reply] = client.callBus('RequestName', 'su', [name, DO_NOT_QUEUE]);
  if (reply !== 1) throw new Error(`RequestName ${name}: ${String(reply)}`);
}

/** Starts a call of Method to `name`, and makes sure that the bus has dealt with it. */
export function callAndSync(client: RawClient, name: string, body: unknown[] = []): number {
  const signature = body.length === 0 ? undefined : 's';
  const serial = client.startCall(
    { destination: name, interface: 'org.example.I', member: 'Method', signature },
    body,
  );
  client.callBus('GetId');
  return serial;
}

/** The error with which a call ends: its name and text. */
export function errorOf(
  client: RawClient,
  serial: number,
): [name: string | undefined, text: unknown] {
  const { errorName, body } = client.replyTo(serial);
  return [errorName, body[0]];
}

/** Returns 1 when the service has been started, 2 when it was running. */
export function startService(client: RawClient, name: string): number {
  return Number(client.callBus('StartServiceByName', 'su', [name, 0])[0]);
}

export const isMethod = ({ member }: { member?: string | undefined }): boolean =>
  member === 'Method';
