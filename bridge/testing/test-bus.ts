import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { createInterface } from 'node:readline';
import type { Bus } from '#bridge/client/bus.js';
import { ClientError, TimeoutError } from '#bridge/client/errors.js';
import { join, type JoinOptions } from '#bridge/client/join.js';
import { MockService, type MockedObjects } from './mock-service.js';

export interface TestBusOptions {
  /** for the start of the bus, and the default of all waits on it; 10 s by default */
  readonly timeoutMs?: number;
  /** files of mappings, for programs that use `bus.mapped` */
  readonly mappings?: readonly string[];
}

const TIMEOUT_MS = 10_000;

/** Everybody may do everything, and nothing that is installed on this machine is started. */
const configuration = (address: string): string => `<busconfig>
  <type>session</type>
  <listen>${address}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`;

/** The command is started as a process, not imported. */
const COMMAND = joinPath(import.meta.dirname, '../cli/bus1-bridge.js');

/** Prints the address of the bus, and ends with this process, however that ends: `cat` then reads end of file. */
const KEEPER = 'echo "$DBUS_SESSION_BUS_ADDRESS" && exec cat';

const VARIABLES = ['DBUS_SESSION_BUS_ADDRESS', 'DBUS_SYSTEM_BUS_ADDRESS'] as const;

/** A bus of its own, in a child process and in a folder that only this user can enter; it ends with this process. */
export class TestBus {
  readonly address: string;
  /**
   * The environment for a program on this bus: that of this process, with both the session bus and the system bus
   * leading here.
   */
  readonly env: NodeJS.ProcessEnv;
  readonly #process: ChildProcess;
  readonly #folder: string;
  readonly #timeoutMs: number;
  /** Mocks then connect by socket, since mappings are for services on sockets. */
  readonly #hasMappings: boolean;
  readonly #connections = new Set<Bus>();
  /** how the environment of this process was before `enter` */
  #before: ReadonlyMap<string, string | undefined> | undefined;

  private constructor(
    address: string,
    process_: ChildProcess,
    folder: string,
    { timeoutMs = TIMEOUT_MS, mappings = [] }: TestBusOptions,
  ) {
    this.address = address;
    this.#process = process_;
    this.#folder = folder;
    this.#timeoutMs = timeoutMs;
    this.#hasMappings = mappings.length > 0;
    this.env = { ...process.env };
    delete this.env['DBUS_STARTER_ADDRESS'];
    delete this.env['DBUS_STARTER_BUS_TYPE'];
    for (const name of VARIABLES) this.env[name] = address;
  }

  /** Starts a bus. @throws ClientError `JoinFailed` with the output of the bus, TimeoutError */
  static async start(options: TestBusOptions = {}): Promise<TestBus> {
    const { timeoutMs = TIMEOUT_MS, mappings = [] } = options;
    const folder = mkdtempSync(joinPath(tmpdir(), 'test-bus-'));
    const config = joinPath(folder, 'bus.conf');
    writeFileSync(config, configuration(`unix:path=${folder}/bus`));
    const mapped = mappings.flatMap((file) => ['--mapping', file]);
    const words = ['run', '--config', config, '--log-level', 'warn', ...mapped];
    const child = spawn(process.execPath, [COMMAND, ...words, '--', 'sh', '-c', KEEPER], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    try {
      const address = await firstLine(child, timeoutMs);
      // The bus must not keep alive a program that forgets to stop it.
      child.unref();
      for (const pipe of [child.stdin, child.stdout, child.stderr]) {
        if ('unref' in pipe && typeof pipe.unref === 'function') pipe.unref();
      }
      return new TestBus(address, child, folder, options);
    } catch (error) {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** A connection, which `stop` closes. */
  async connect(options: Omit<JoinOptions, 'address' | 'bus'> = {}): Promise<Bus> {
    const bus = await join({ timeoutMs: this.#timeoutMs, ...options, address: this.address });
    this.#connections.add(bus);
    void bus.closed.then(() => this.#connections.delete(bus));
    return bus;
  }

  /**
   * A service with a name and objects by their paths, on a connection of its own. It records the calls that it gets.
   *
   * @throws IntrospectionError, and TypeError for members that no interface has
   */
  async mock(name: string, objects: MockedObjects = {}): Promise<MockService> {
    const bus = await this.connect(this.#hasMappings ? { transport: 'socket' } : {});
    try {
      return await MockService.open(bus, name, objects, this.#timeoutMs);
    } catch (error) {
      bus.close();
      throw error;
    }
  }

  /** Both buses of this process are this one until `stop` or `leave`: for code that reads the environment. */
  enter(): void {
    this.#before ??= new Map(VARIABLES.map((name) => [name, process.env[name]]));
    for (const name of VARIABLES) process.env[name] = this.address;
  }

  /** The environment is again as it was before `enter`. */
  leave(): void {
    for (const [name, value] of this.#before ?? []) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    this.#before = undefined;
  }

  /** Ends all connections that were made here, and the bus. */
  async stop(): Promise<void> {
    this.leave();
    for (const bus of this.#connections) bus.close();
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.ref();
      const ended = once(this.#process, 'exit');
      this.#process.kill('SIGTERM');
      const timer = setTimeout(() => this.#process.kill('SIGKILL'), this.#timeoutMs);
      await ended;
      clearTimeout(timer);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

function firstLine(child: ChildProcess, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let complaint = '';
    const timer = setTimeout(
      () => reject(new TimeoutError('the start of a test bus', timeoutMs)),
      timeoutMs,
    );
    child.stderr!.setEncoding('utf8').on('data', (text: string) => void (complaint += text));
    createInterface({ input: child.stdout! }).once('line', (line) => {
      clearTimeout(timer);
      resolve(line);
    });
    child.once('error', reject);
    child.once('close', (status) => {
      clearTimeout(timer);
      const said = complaint.trim();
      reject(new ClientError('JoinFailed', `the test bus has ended (${status}): ${said}`));
    });
  });
}
