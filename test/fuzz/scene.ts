import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { busStatus } from '#bridge/cli/status.js';
import type { BusStatus } from '../hosts/bus-with-hosts.js';
import { PeerProcess } from '../hosts/peer-process.js';
import { openFolder, ROOT } from '../support/bus-command.js';
import { cleanEnvironment } from '../support/bus.js';
import { killAtExit } from '../support/process.js';
import type { Place } from './target.js';

const PROGRAM = join(ROOT, 'dist/bridge/cli/bus1-bridge.js');
/** Longer than anything takes on a busy machine: who does not answer within it hangs. */
const PATIENCE_MS = 30_000;
/** of a process, above what it had before the first attack */
const GROWTH_MAX_MIB = 400;
/** Two bystanders have 16 calls under way each, with a node and a handle for each; a leak is more, and grows. */
const OBJECTS_MORE = 20;
const CALLS = 64;

const LEGACY = 'org.bus1.Legacy';
const NATIVE = 'org.bus1.Native';
const STARTED = 'org.bus1.Started';

export interface Footprint {
  readonly objects: Readonly<Record<string, number>>;
  /** descriptors of each process that can be attacked */
  readonly descriptors: Readonly<Record<string, number>>;
  readonly residentMib: Readonly<Record<string, number>>;
}

function configuration(socketPath: string, services: string, more: string): string {
  return `<busconfig>
  <type>session</type>
  <listen>unix:path=${socketPath}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>${services}</servicedir>
  <policy context="default">
    <allow user="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_replies_per_connection">50000</limit>
  ${more}
</busconfig>
`;
}

/** A bus, a D-Bus service and a native one, and two who call both all the while. */
export class Scene {
  readonly folder: string;
  readonly place: Place;
  readonly hosts: number;
  /** what one of the bystanders has seen */
  trouble: string | undefined;
  /** calls of each bystander */
  private readonly answeredBy = [0, 0];
  /** ms that each round of a bystander took, since it was emptied */
  roundsMs: number[] = [];
  private bus!: ChildProcess;
  private log = '';
  private services: PeerProcess[] = [];
  private readonly callers: PeerProcess[] = [];
  private readonly callings: Promise<void>[] = [];
  private isOver = false;
  private before!: Footprint;
  private hostPids: number[] = [];

  private constructor(folder: string, hosts: number) {
    this.folder = folder;
    this.hosts = hosts;
    const scratch = join(folder, 'scratch');
    mkdirSync(scratch);
    chmodSync(scratch, 0o1777);
    const services = [LEGACY, NATIVE, STARTED];
    this.place = { socketPath: join(folder, 'bus'), services, folder: scratch };
  }

  static async start(hosts: number, more = ''): Promise<Scene> {
    const scene = new Scene(openFolder('bus-fuzz-'), hosts);
    await scene.startBus(more);
    await scene.startPeers();
    const { hosts: processes } = await scene.status();
    scene.hostPids = processes.map(({ pid }) => pid);
    scene.before = await scene.footprint();
    for (const [index] of scene.callers.entries()) scene.callings.push(scene.callOn(index));
    return scene;
  }

  get address(): string {
    return `unix:path=${this.place.socketPath}`;
  }

  get pid(): number {
    return this.bus.pid!;
  }

  /** pid of the native service */
  get nativePid(): number {
    return this.services[1].pid;
  }

  /** calls of the bystanders */
  get answered(): number {
    return this.answeredBy.reduce((sum, answered) => sum + answered, 0);
  }

  get stderr(): string {
    return this.log;
  }

  /** Processes of the bus and of those that may be attacked, by what they are. */
  async victims(): Promise<Record<string, number>> {
    const victims: Record<string, number> = { registry: this.pid, native: this.nativePid };
    this.hostPids.forEach((pid, i) => {
      if (pid !== this.pid) victims[`host ${i + 1}`] = pid;
    });
    return victims;
  }

  /** ID in the domain of the registry's process, of a host that has no registry, or of the native service. */
  async processOf(what: string): Promise<number> {
    const { authority, hosts, natives } = await this.status();
    if (what === 'registry') return authority.process;
    if (what === 'host') return hosts.find(({ pid }) => pid !== authority.pid)!.process;
    return natives.find(({ pid }) => pid === this.nativePid)!.process;
  }

  status(): Promise<BusStatus> {
    return busStatus(this.address);
  }

  /** What is wrong now that all attackers have gone; undefined: nothing. Waits for what is still being put away. */
  async verdict(): Promise<string | undefined> {
    const early = this.death() ?? this.trouble;
    if (early !== undefined) return early;
    const calls = await this.rounds(4);
    if (calls !== undefined) return calls;
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      let leak: string | undefined;
      try {
        leak = await this.leak();
      } catch (error) {
        return this.death() ?? `the bus does not tell its status: ${String(error)}`;
      }
      if (leak === undefined || performance.now() > deadline) return leak;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** Ends everybody. */
  async stop(): Promise<void> {
    this.isOver = true;
    for (const peer of [...this.callers, ...this.services]) peer.child.kill('SIGKILL');
    await Promise.all(this.callings);
    if (this.bus.exitCode === null && this.bus.signalCode === null) {
      const ended = once(this.bus, 'exit');
      this.bus.kill('SIGTERM');
      const timer = setTimeout(() => this.bus.kill('SIGKILL'), 5000);
      await ended;
      clearTimeout(timer);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Whoever has died. */
  death(): string | undefined {
    if (this.bus.exitCode !== null || this.bus.signalCode !== null) {
      const how = this.bus.signalCode ?? `status ${this.bus.exitCode}`;
      return `the bus has ended with ${how}: ${this.log.slice(-2000)}`;
    }
    for (const [name, { child }] of Object.entries(this.named())) {
      if (child.exitCode !== null || child.signalCode !== null) {
        return `the ${name} has ended with ${child.signalCode ?? `status ${child.exitCode}`}`;
      }
    }
    return undefined;
  }

  async footprint(): Promise<Footprint> {
    const { authority, hosts } = await this.status();
    const all = hosts.some(({ pid }) => pid === authority.pid) ? hosts : [authority, ...hosts];
    const sum = (key: 'connections' | 'peers' | 'nodes' | 'handles' | 'channels'): number =>
      all.reduce((total, host) => total + host[key], 0);
    const victims = await this.victims();
    const each = (measure: (pid: number) => number): Record<string, number> =>
      Object.fromEntries(Object.entries(victims).map(([name, pid]) => [name, measure(pid)]));
    return {
      objects: {
        connections: sum('connections'),
        peers: sum('peers'),
        nodes: sum('nodes'),
        handles: sum('handles'),
        channels: sum('channels'),
      },
      descriptors: each((pid) => readdirSync(`/proc/${pid}/fd`).length),
      residentMib: each((pid) => residentMib(pid)),
    };
  }

  private named(): Record<string, PeerProcess> {
    return {
      'D-Bus service': this.services[0],
      'native service': this.services[1],
      'D-Bus caller': this.callers[0],
      'native caller': this.callers[1],
    };
  }

  private async leak(): Promise<string | undefined> {
    const { before } = this;
    const { hosts } = await this.status();
    const pids = hosts.map(({ pid }) => pid);
    if (pids.join() !== this.hostPids.join())
      return `hosts have been replaced: ${this.log.slice(-2000)}`;
    const now = await this.footprint();
    const found = [
      ...excess('objects', before.objects, now.objects, OBJECTS_MORE),
      ...excess('descriptors', before.descriptors, now.descriptors, 3),
      ...excess('MiB', before.residentMib, now.residentMib, GROWTH_MAX_MIB),
    ];
    return found.length === 0 ? undefined : `not given back: ${found.join(', ')}`;
  }

  private async startBus(more: string): Promise<void> {
    const { folder, place } = this;
    const services = join(folder, 'services');
    mkdirSync(services);
    const script = join(ROOT, 'test/hosts/peer.mjs');
    const exec = `${process.execPath} ${script} legacy serve unix:path=${place.socketPath} ${STARTED}`;
    writeFileSync(
      join(services, `${STARTED}.service`),
      `[D-BUS Service]\nName=${STARTED}\nExec=${exec}\n`,
    );
    const config = join(folder, 'bus.conf');
    writeFileSync(config, configuration(place.socketPath, services, more));
    const args = [
      PROGRAM,
      'run',
      '--config',
      config,
      '--address',
      this.address,
      '--hosts',
      String(this.hosts),
    ];
    this.bus = spawn(process.execPath, [...args, '--print-address', '--log-level', 'warn'], {
      env: { ...cleanEnvironment(folder), DBUS_SESSION_BUS_ADDRESS: this.address },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    killAtExit(this.bus);
    this.bus.stderr!.setEncoding('utf8').on('data', (text: string) => (this.log += text));
    for await (const line of createInterface({ input: this.bus.stdout! })) {
      if (line.startsWith(this.address)) return;
    }
    throw new Error(`the bus did not start\n${this.log}`);
  }

  private async startPeers(): Promise<void> {
    const { address } = this;
    this.services.push(await PeerProcess.start('legacy', 'serve', address, LEGACY));
    this.services.push(await PeerProcess.start('native', 'serve', address, NATIVE));
    this.callers.push(await PeerProcess.start('legacy', 'call', address, NATIVE));
    this.callers.push(await PeerProcess.start('native', 'call', address, LEGACY));
    for (const peer of [...this.services, ...this.callers]) peer.closed.catch(() => undefined);
    for (const caller of this.callers) await caller.call(CALLS);
  }

  /** Calls of a bystander, one round after the other, until the end or the first that fails. */
  private async callOn(index: number): Promise<void> {
    while (!this.isOver && this.trouble === undefined) {
      const trouble = await this.round(index);
      if (this.isOver) return;
      this.trouble ??= trouble;
      // A bystander needs no core of its own.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  private async round(index: number): Promise<string | undefined> {
    const caller = this.callers[index];
    const who = index === 0 ? 'the D-Bus caller' : 'the native caller';
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`${who} waits for ever`), PATIENCE_MS);
    });
    const called = caller.call(CALLS).then(
      ({ made, lost, error, ns }) => {
        this.answeredBy[index] += made - lost;
        this.roundsMs.push(ns / 1e6);
        return lost === 0 ? undefined : `${who} lost ${lost} calls of ${made}: ${error}`;
      },
      (error: unknown) => `${who} has ended: ${String(error)}`,
    );
    const result = await Promise.race([called, late]);
    clearTimeout(timer);
    return result;
  }

  /**
   * Waits until the bystanders have made so many rounds of calls more, half of them each: what one of them calls may
   * stand still while the other goes on. Returns what went wrong, if anything did.
   */
  async rounds(count: number): Promise<string | undefined> {
    const targets = this.answeredBy.map((answered) => answered + Math.ceil(count / 2) * CALLS);
    const isWaiting = (): boolean =>
      targets.some((target, index) => this.answeredBy[index] < target);
    while (isWaiting() && this.trouble === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return this.death() ?? this.trouble;
  }
}

function excess(
  what: string,
  before: Readonly<Record<string, number>>,
  now: Readonly<Record<string, number>>,
  allowed: number,
): string[] {
  return Object.entries(now).flatMap(([key, value]) =>
    value > (before[key] ?? 0) + allowed ? [`${key} ${before[key]} -> ${value} ${what}`] : [],
  );
}

export function residentMib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024);
}
