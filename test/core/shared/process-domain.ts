import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandOptions, Maxima, ReceiveSpace, TransferEntry } from '#core/index.js';
import type {
  ConformanceDomain,
  ConformanceOutgoing,
  ConformancePeer,
  ConformanceReceived,
  Counts,
  Pair,
  Play,
  PlayReport,
} from '../conformance/domain.js';
import { SCHEDULE_BYTES } from '../conformance/schedules.js';
import { MemberProcess } from './member-process.js';

const DEFAULT_UID = 1000;
/** Handles that one message carries from courier to courier. */
const PARCEL_MAX = 2000;

/** Numbers of two processes, neither of them 0. */
type Acquaintance = readonly [number, number];

function everyPair(processes: number): Acquaintance[] {
  const pairs: Acquaintance[] = [];
  for (let one = 1; one < processes; one++) {
    for (let other = one + 1; other < processes; other++) pairs.push([one, other]);
  }
  return pairs;
}

interface State {
  readonly charged: number;
  readonly counts: Counts;
  readonly open: number;
  readonly closedTwice: number;
  readonly diagnostics: readonly string[];
}

/**
 * The shared domain behind the interface of the conformance table: its peers are spread over several processes, of
 * which the first is also the authority. TRANSFER between two processes is a message between their couriers,
 * peers that are left
 * out of all counts.
 */
export class ProcessConformanceDomain implements ConformanceDomain {
  readonly name = 'shared';
  readonly processes: readonly MemberProcess[];
  private readonly directory = mkdtempSync(join(tmpdir(), 'shared-domain-'));
  private readonly isTight: boolean;
  private peers: ProcessPeer[] = [];
  private lastToken = 0;
  private baseline: Counts = { peers: 0, nodes: 0, handles: 0 };

  private constructor(processes: readonly MemberProcess[], isTight: boolean) {
    this.processes = processes;
    this.isTight = isTight;
  }

  /**
   * `isTight`: senders are to know at once what receivers have left, so every send is waited for. `acquaintances`:
   * pairs of processes that are introduced to each other, by default all; the first, the authority, knows everybody.
   */
  static async open(
    processes: readonly MemberProcess[],
    maxima: Maxima,
    isTight: boolean,
    acquaintances?: readonly Acquaintance[],
  ): Promise<ProcessConformanceDomain> {
    const domain = new ProcessConformanceDomain(processes, isTight);
    const path = join(domain.directory, 'authority');
    for (const [index, process] of processes.entries()) {
      await process.request('join', { path, index, maxima, isAuthority: index === 0 });
    }
    await domain.introduce(acquaintances ?? everyPair(processes.length));
    await domain.settle();
    domain.baseline = await domain.sum();
    return domain;
  }

  async openPeer(uid?: number): Promise<ConformancePeer> {
    return await this.openPeerIn((uid ?? this.peers.length) % this.processes.length, uid);
  }

  async openPeerIn(home: number, account = DEFAULT_UID): Promise<ProcessPeer> {
    const id = this.peers.length;
    const process = this.processes[home];
    await process.request('openPeer', { id, uid: account });
    const peer = new ProcessPeer(this, process, id);
    this.peers.push(peer);
    return peer;
  }

  async openPeers(count: number): Promise<ConformancePeer[]> {
    const peers = Array.from({ length: count }, (_, i) => {
      const id = this.peers.length + i;
      return new ProcessPeer(this, this.processes[id % this.processes.length], id);
    });
    await this.inEachProcess(peers, 'openPeers', { uid: DEFAULT_UID });
    this.peers.push(...peers);
    return peers;
  }

  async connect(pairs: readonly Pair[]): Promise<number[]> {
    const handles: number[] = [];
    await Promise.all(
      this.parcelsOf(pairs as readonly ProcessPair[]).map(async ({ from, to, places }) => {
        const of = (k: 0 | 1) => places.map((i) => (pairs[i] as ProcessPair)[k].id);
        const label = `connect ${this.token()}`;
        const process = this.processes.indexOf(to);
        await from.request('connectOut', { from: of(0), process, label });
        const ids = await to.request<number[]>('connectIn', { to: of(1), label });
        for (const [k, i] of places.entries()) handles[i] = ids[k];
      }),
    );
    return handles;
  }

  async closeTogether(peers: readonly ConformancePeer[]): Promise<void> {
    await this.inEachProcess(peers as readonly ProcessPeer[], 'closePeers');
    for (const peer of peers as readonly ProcessPeer[]) peer.isOpen = false;
    await this.settle();
  }

  homesOf(peers: readonly ConformancePeer[]): number[] {
    return (peers as readonly ProcessPeer[]).map(({ process }) => this.processes.indexOf(process));
  }

  async perform({ program, hasSideChannel, peers, handles }: Play): Promise<PlayReport> {
    const path = join(this.directory, `program ${this.token()}`);
    writeFileSync(path, program);
    const progress = hasSideChannel ? `${path}, progress` : null;
    if (progress !== null) {
      writeFileSync(progress, '');
      truncateSync(progress, (program.length / SCHEDULE_BYTES + 1) * 4);
    }
    const parts = (peers as readonly ProcessPeer[]).map(({ id, process }, index) => ({
      process,
      part: { id, index, handles: handles[index] },
    }));
    const reports = await Promise.all(
      this.processes.map((process) => {
        const own = parts.filter((of) => of.process === process).map(({ part }) => part);
        return process.request<PlayReport>('perform', { parts: own, path, progress });
      }),
    );
    const failures = reports.flatMap(({ failure }) => failure ?? []);
    return {
      failure: failures.length === 0 ? null : failures.join('; '),
      received: reports.reduce((sum, { received }) => sum + received, 0),
    };
  }

  stranger(): ConformancePeer {
    return new ProcessPeer(this, this.processes[0], 'stranger');
  }

  token(): number {
    return ++this.lastToken;
  }

  /** After an operation whose effect elsewhere the next one may depend on. */
  async settleAfter(operation: 'send' | 'release'): Promise<void> {
    if (operation === 'release' || this.isTight) await this.settle();
  }

  /** Until every entry that was written has been taken, twice in a row. */
  async settle(): Promise<void> {
    let before = -1;
    for (;;) {
      let sent = 0;
      let delivered = 0;
      for (const process of this.processes) {
        const pumped = await process.request<{ sent: number; delivered: number }>('pump');
        sent += pumped.sent;
        delivered += pumped.delivered;
      }
      if (sent === delivered && sent === before) return;
      before = sent;
    }
  }

  async charged(): Promise<number> {
    return (await this.states()).reduce((sum, { charged }) => sum + charged, 0);
  }

  async counts(): Promise<Counts> {
    await this.settle();
    const { peers, nodes, handles } = await this.sum();
    const { baseline } = this;
    return {
      peers: peers - baseline.peers,
      nodes: nodes - baseline.nodes,
      handles: handles - baseline.handles,
    };
  }

  openDescriptor(): number {
    return this.token();
  }

  async descriptors() {
    const states = await this.states();
    return {
      open: states.reduce((sum, { open }) => sum + open, 0),
      closedTwice: states.reduce((sum, { closedTwice }) => sum + closedTwice, 0),
    };
  }

  async close(): Promise<void> {
    for (const peer of this.peers) await peer.close();
    const complaints = (await this.states()).flatMap(({ diagnostics }) => diagnostics);
    if (complaints.length > 0) throw new Error(complaints.join('; '));
  }

  /** To be called when nothing is asked any more. */
  async leave(): Promise<void> {
    for (const process of this.processes.toReversed()) await process.request('leave');
    rmSync(this.directory, { recursive: true });
  }

  private async introduce(acquaintances: readonly Acquaintance[]): Promise<void> {
    const [authority, ...others] = this.processes;
    for (const [i, process] of others.entries()) {
      const index = i + 1;
      const label = `introduce ${index}`;
      await process.request('introduce', { from: index, to: 0, label });
      await authority.request('meet', { index, label });
    }
    for (const [one, other] of acquaintances) {
      await this.tellAbout(one, other);
      await this.tellAbout(other, one);
    }
  }

  /** Process `to` gets a handle to the courier of process `about` from the first one. */
  private async tellAbout(to: number, about: number): Promise<void> {
    const label = `meet ${about}`;
    await this.processes[0].request('introduce', { from: 0, to, carrying: about, label });
    await this.processes[to].request('meet', { index: about, label });
  }

  /** Pairs between the same two processes, as places in `pairs`, in parcels of a size that one message can carry. */
  private parcelsOf(pairs: readonly ProcessPair[]) {
    const parcels: { from: MemberProcess; to: MemberProcess; places: number[] }[] = [];
    for (const from of this.processes) {
      for (const to of this.processes) {
        const places = [...pairs.keys()].filter(
          (i) => pairs[i][0].process === from && pairs[i][1].process === to,
        );
        for (let at = 0; at < places.length; at += PARCEL_MAX) {
          parcels.push({ from, to, places: places.slice(at, at + PARCEL_MAX) });
        }
      }
    }
    return parcels;
  }

  private async inEachProcess(peers: readonly ProcessPeer[], kind: string, fields: object = {}) {
    await Promise.all(
      this.processes.map((process) => {
        const ids = peers.filter((peer) => peer.process === process).map(({ id }) => id);
        return process.request(kind, { ids, ...fields });
      }),
    );
  }

  private async states(): Promise<State[]> {
    const states: State[] = [];
    for (const process of this.processes) states.push(await process.request<State>('state'));
    return states;
  }

  private async sum(): Promise<Counts> {
    const all = (await this.states()).map(({ counts }) => counts);
    const sumOf = (of: (counts: Counts) => number) => all.reduce((sum, c) => sum + of(c), 0);
    return {
      peers: sumOf(({ peers }) => peers),
      nodes: sumOf(({ nodes }) => nodes),
      handles: sumOf(({ handles }) => handles),
    };
  }
}

type ProcessPair = readonly [from: ProcessPeer, to: ProcessPeer];

export class ProcessPeer implements ConformancePeer {
  readonly id: number | string;
  readonly process: MemberProcess;
  private readonly domain: ProcessConformanceDomain;
  isOpen = true;

  constructor(domain: ProcessConformanceDomain, process: MemberProcess, id: number | string) {
    this.domain = domain;
    this.process = process;
    this.id = id;
  }

  async transfer(
    to: ProcessPeer,
    entries: readonly TransferEntry[],
    options?: CommandOptions,
  ): Promise<{ source: number[]; target: number[] }> {
    const from = this.id;
    const isHere = to.process === this.process;
    if (isHere || to.id === 'stranger') {
      return await this.process.request('transfer', { from, to: to.id, entries, options });
    }
    if (!to.isOpen) throw Object.assign(new Error('the peer is closed'), { code: 'EBADF' });
    const label = `transfer ${this.domain.token()}`;
    const process = this.domain.processes.indexOf(to.process);
    const out = { from, process, entries, options, label };
    const source = await this.process.request<number[]>('transferOut', out);
    const target = await to.process.request<number[]>('transferIn', { to: to.id, label });
    return { source, target };
  }

  async drain(ids: readonly number[], options?: CommandOptions): Promise<void> {
    await this.process.request('drain', { id: this.id, ids, options });
    await this.domain.settleAfter('send');
  }

  async release(ids: readonly number[], options?: CommandOptions): Promise<void> {
    await this.process.request('release', { id: this.id, ids, options });
    await this.domain.settleAfter('release');
  }

  async send(destinations: readonly number[], outgoing: ConformanceOutgoing): Promise<number> {
    const data = outgoing.data.map((vector) => Buffer.from(vector).toString('base64'));
    const request = { id: this.id, destinations, outgoing: { ...outgoing, data } };
    const made = await this.process.request<number>('send', request);
    await this.domain.settleAfter('send');
    return made;
  }

  async receive(space?: ReceiveSpace): Promise<ConformanceReceived | undefined> {
    type Wire = { type: number; id: number; data: string; descriptors: number };
    const next = await this.process.request<Wire | undefined>('receive', { id: this.id, space });
    if (next === undefined || next.type !== 0) return next as ConformanceReceived | undefined;
    const { id, process, domain } = this;
    const drop = async () => {
      await process.request('dropDescriptors', { id });
      await domain.settle();
    };
    return {
      ...next,
      data: new Uint8Array(Buffer.from(next.data, 'base64')),
      descriptors: next.descriptors === 0 ? null : { count: next.descriptors, drop },
    } as ConformanceReceived;
  }

  async readable(): Promise<boolean> {
    return await this.process.request<boolean>('readable', { id: this.id });
  }

  async close(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    await this.process.request('closePeer', { id: this.id });
    await this.domain.settleAfter('release');
  }
}
