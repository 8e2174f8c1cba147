// `bus1-bridge run` with mappings, and services of python3-dbusmock on it.
import { rmSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import dbus from 'dbus-next';
import {
  Capability,
  join,
  type Bus,
  type InterfaceDescription,
  type Reply,
  type Signal,
  type Variant,
} from '#bridge/client/index.js';
import { ROOT, openFolder } from '../support/bus-command.js';
import { cleanEnvironment } from '../support/bus.js';
import { connect, watchNames } from '../support/names.js';
import { type Program, start } from '../support/process.js';
import { mockCommand } from '../mappings/sources.js';

type Environment = Readonly<Record<string, string>>;

const COMMAND = joinPath(ROOT, 'dist/bridge/cli/bus1-bridge.js');

/** Of a native peer that another one gives its handles to. */
export const KEEPER: InterfaceDescription = {
  name: 'org.example.Keeper',
  methods: { Keep: { in: 'o', out: '' } },
  properties: {},
  signals: {},
};

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
  mock(template: string, name: string): Promise<Program> {
    return this.service(mockCommand(template), name);
  }

  /**
   * A service, once it has its name. The bridge is its session bus.
   * @param input what it reads from standard input
   */
  async service(
    command: readonly string[],
    name: string,
    env: Environment = {},
    input?: string,
  ): Promise<Program> {
    const bus = await connect(this.address);
    const names = await watchNames(bus);
    const [program, ...args] = command;
    const service = start(program, args, {
      env: { ...cleanEnvironment(this.#folder), DBUS_SESSION_BUS_ADDRESS: this.address, ...env },
    });
    this.#services.push(service);
    if (input !== undefined) service.end(input);
    const ended = service.ended.then(({ stderr }) => {
      throw new Error(`${program} ended before it had the name ${name}: ${stderr}`);
    });
    await Promise.race([names.owned(name), ended]);
    ended.catch(() => {});
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

/** Calls through a handle to an object, for one of its properties. */
export async function property(
  capability: Capability,
  iface: string,
  name: string,
): Promise<unknown> {
  const get = 'org.freedesktop.DBus.Properties.Get';
  return ((await call(capability, get, 'ss', iface, name)) as Variant).value;
}

/** Signals of one object, in the order in which they came. */
export interface Signals {
  /** The next one with this name; those before it are passed over. */
  next(member: string): Promise<Signal>;
}

/**
 * Listens to the signals of an object, through a handle to it.
 * @param path of an object that always has it, by way of the handle to its service
 */
export async function listenTo(bus: Bus, object: Capability, path?: string): Promise<Signals> {
  const signals: Signal[] = [];
  let wake = (): void => {};
  const listener = bus.export([], {
    onSignal: (signal) => {
      signals.push(signal);
      wake();
    },
  });
  const subscribe = { interface: 'org.bus1.Signals', member: 'Subscribe', signature: 'o' };
  await object.call({ ...subscribe, ...(path && { path }), body: [listener] });
  return {
    next: async (member) => {
      for (;;) {
        const signal = signals.shift();
        if (signal?.member === member) return signal;
        if (signal === undefined) await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}

/** Resolves when the object is gone. */
export function gone(capability: Capability): Promise<void> {
  return new Promise((resolve) => {
    if (capability.live) capability.onRelease(resolve);
    else resolve();
  });
}
