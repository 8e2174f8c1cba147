import { DescriptorSet, SendStatus } from '#core/index.js';
import { closeFd, peerCredentials } from '#core/linux/index.js';
import type { Driver } from '#bridge/driver/driver.js';
import type { NewClient } from '#bridge/registry/replica.js';

import type { Host } from './host.js';

/** A client that was handed to a host and has not said Hello after this time is forgotten here. */
const ON_ITS_WAY_MS = 30_000;

/** The connections of a process with more than any program needs are spread as if from many programs. */
const TOGETHER_MAX = 64;

/** The host to which a client was handed, and when. */
interface HandedOver {
  readonly process: number;
  readonly atMs: number;
}

/**
 * Accepts the clients of a bus that has several hosts, and hands each to one of them: all connections of one
 * process go to the same host, so that they are read in the order in which that process wrote to them; a new
 * process goes to the host with the fewest.
 */
export class Spreader {
  private readonly host: Host;
  private readonly driver: Driver;
  /** by process ID of the client, for clients that are not on the bus yet */
  private readonly onTheirWay = new Map<number, HandedOver>();
  private hasBegun = false;

  constructor(host: Host, driver: Driver) {
    this.host = host;
    this.driver = driver;
    driver.mirrors.onHostsChanged = () => this.review();
  }

  /** Accepting begins when all hosts have joined, and pauses while one of them has no room. */
  get isAccepting(): boolean {
    return this.hasBegun && this.driver.mirrors.areAccepting;
  }

  /** Hands a socket that was accepted to a host. */
  handOver(fd: number, client: NewClient): void {
    const { mirrors } = this.driver;
    const pid = client.isUnix ? peerCredentials(fd).pid : 0;
    const process = this.processFor(pid);
    const socket = new DescriptorSet([fd], closeFd);
    const status = process === undefined ? undefined : mirrors.bringClient(process, client, socket);
    socket.drop();
    if (status === SendStatus.Sent) return;
    this.host.log('error', 'connection refused: no host of the bus can accept the client', { pid });
  }

  private review(): void {
    const { mirrors } = this.driver;
    this.hasBegun ||= mirrors.count === this.host.options.hostCount;
    this.host.entrance.setAccepting(this.isAccepting);
  }

  private processFor(pid: number): number | undefined {
    const nowMs = performance.now();
    this.forget(nowMs);
    const loads = this.loads();
    const known = pid > 0 ? this.hostOf(pid) : undefined;
    const process = known !== undefined && loads.has(known) ? known : leastOf(loads);
    if (process === undefined) return undefined;
    this.onTheirWay.set(pid > 0 ? pid : -nowMs, { process, atMs: nowMs });
    return process;
  }

  /** The host that has other connections of that client process, unless these are too many for one host. */
  private hostOf(pid: number): number | undefined {
    let host: number | undefined;
    let count = 0;
    for (const { credentials, process, isNative } of this.driver.connections) {
      if (credentials.pid !== pid || isNative) continue;
      host ??= process;
      count++;
    }
    return count < TOGETHER_MAX ? (host ?? this.onTheirWay.get(pid)?.process) : undefined;
  }

  /** The number of connections of each host, including those on their way to it. */
  private loads(): Map<number, number> {
    const loads = new Map<number, number>();
    for (const process of this.driver.mirrors.processes) loads.set(process, 0);
    const add = (process: number): void => {
      const load = loads.get(process);
      if (load !== undefined) loads.set(process, load + 1);
    };
    for (const { process } of this.driver.connections) add(process);
    for (const { process } of this.onTheirWay.values()) add(process);
    return loads;
  }

  private forget(nowMs: number): void {
    const here = new Set<number | undefined>();
    if (this.onTheirWay.size > 0) {
      for (const { credentials } of this.driver.connections) here.add(credentials.pid);
    }
    for (const [pid, { atMs }] of this.onTheirWay) {
      if (here.has(pid) || nowMs - atMs > ON_ITS_WAY_MS) this.onTheirWay.delete(pid);
    }
  }
}

function leastOf(loads: ReadonlyMap<number, number>): number | undefined {
  let least: number | undefined;
  let leastLoad = Infinity;
  for (const [process, load] of loads) {
    if (load >= leastLoad) continue;
    least = process;
    leastLoad = load;
  }
  return least;
}
