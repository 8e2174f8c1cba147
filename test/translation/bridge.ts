// `bus1-bridge run` with mappings, and services of python3-dbusmock on it.
import { rmSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import dbus from 'dbus-next';
import { Capability, join, type Bus, type Reply } from '#bridge/client/index.js';
import { ROOT, openFolder } from '../support/bus-command.js';
import { cleanEnvironment } from '../support/bus.js';
import { connect, watchNames } from '../support/names.js';
import { type Program, start } from '../support/process.js';
import { mockCommand } from '../mappings/sources.js';

const COMMAND = joinPath(ROOT, 'dist/bridge/cli/bus1-bridge.js');

export class Bridge {
  readonly address: string;
  readonly #folder: string;
  readonly #program: Program;
  readonly #services: Program[] = [];

  private constructor(folder: string, program: Program) {
    this.#folder = folder;
    this.address = `unix:path=${folder}/bus`;
    this.#program = program;
  }

  /** @param args such as `--mappings` */
  static async start(...args: readonly string[]): Promise<Bridge> {
    const folder = openFolder('translation-');
    const words = [
      'run',
      '--address',
      `unix:path=${folder}/bus`,
      '--print-address',
      '--log-level',
      'error',
      ...args,
    ];
    const program = start(process.execPath, [COMMAND, ...words], { env: cleanEnvironment(folder) });
    await program.waitForLine(/^unix:path=/);
    return new Bridge(folder, program);
  }

  /** A native peer in this process. */
  native(): Promise<Bus> {
    return join({ address: this.address });
  }

  /** A template of python3-dbusmock, once it has its name. */
  async mock(template: string, name: string): Promise<Program> {
    const bus = await connect(this.address);
    const names = await watchNames(bus);
    const [program, ...args] = mockCommand(template);
    const env = { ...cleanEnvironment(this.#folder), DBUS_SESSION_BUS_ADDRESS: this.address };
    const service = start(program, args, { env });
    this.#services.push(service);
    await names.owned(name);
    bus.disconnect();
    return service;
  }

  async stop(): Promise<void> {
    for (const service of this.#services) await service.stop();
    const { code, stderr } = await this.#program.stop();
    rmSync(this.#folder, { recursive: true, force: true });
    if (code !== 0 || stderr !== '') throw new Error(`the bridge ended with ${code}: ${stderr}`);
  }
}

/** A call of a legacy program, which uses strings. */
export async function legacyCall(
  bus: dbus.MessageBus,
  call: dbus.MessageLike,
): Promise<readonly unknown[]> {
  const reply = await bus.call(new dbus.Message(call));
  return reply!.body;
}

/** A call through a capability, for its first result. */
export async function call(
  capability: Capability,
  method: string,
  signature = '',
  ...body: readonly unknown[]
): Promise<unknown> {
  const dot = method.lastIndexOf('.');
  const reply: Reply = await capability.call({
    interface: method.slice(0, dot),
    member: method.slice(dot + 1),
    signature,
    body,
  });
  return reply.body[0];
}

/** Resolves when the object is gone. */
export function gone(capability: Capability): Promise<void> {
  return new Promise((resolve) => capability.onRelease(resolve));
}
