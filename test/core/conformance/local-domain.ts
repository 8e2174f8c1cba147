import {
  DescriptorSet,
  LocalDomain,
  PeerById,
  ResourceUser,
  type CommandOptions,
  type Maxima,
  type ReceiveSpace,
  type TransferEntry,
} from '#core/index.js';
import type {
  ConformanceDomain,
  ConformanceOutgoing,
  ConformancePeer,
  Pair,
  Play,
  PlayReport,
} from './domain.js';
import { Participant } from './participant.mjs';
import { CREATE } from './scene.js';
import { SCHEDULE_BYTES } from './schedules.js';

const DEFAULT_UID = 1000;
const FIRST_FD = 100;

/** The local domain behind the interface of the conformance table. Its descriptors are numbers in a ledger. */
export class LocalConformanceDomain implements ConformanceDomain {
  readonly name = 'local';
  private readonly domain = new LocalDomain();
  private readonly users = new Map<number, ResourceUser>();
  private readonly peers: LocalConformancePeer[] = [];
  private readonly maxima: Maxima;
  /** how often each descriptor was closed */
  private readonly closes: number[] = [];

  constructor(maxima: Maxima) {
    this.maxima = maxima;
  }

  openPeer(uid = DEFAULT_UID): ConformancePeer {
    let user = this.users.get(uid);
    if (user === undefined) this.users.set(uid, (user = new ResourceUser(uid, this.maxima)));
    const close = (fd: number) => void this.closes[fd - FIRST_FD]++;
    const peer = new LocalConformancePeer(new PeerById(this.domain.openPeer({ user })), close);
    this.peers.push(peer);
    return peer;
  }

  openPeers(count: number): ConformancePeer[] {
    return Array.from({ length: count }, () => this.openPeer());
  }

  connect(pairs: readonly Pair[]): number[] {
    return pairs.map(([from, to]) => localOf(from).transfer(localOf(to), [CREATE]).target[0]);
  }

  closeTogether(peers: readonly ConformancePeer[]): void {
    for (const peer of peers) localOf(peer).close();
  }

  homesOf(peers: readonly ConformancePeer[]): number[] {
    return peers.map(() => 0);
  }

  perform({ program, hasSideChannel, peers, handles }: Play): PlayReport {
    const parts = peers.map((peer, i) => ({ index: i, handles: handles[i], peer: localOf(peer) }));
    const turns = new Uint8Array(program.length / SCHEDULE_BYTES);
    const sideChannel = {
      isTurnOf: (schedule: number, step: number) => turns[schedule] === step,
      setTurn: (schedule: number, step: number) => void (turns[schedule] = step),
    };
    const participant = new Participant(parts, program, hasSideChannel ? sideChannel : null);
    while (participant.advance() && participant.failure === null);
    const { failure, received, isDone } = participant;
    return { failure: failure ?? (isDone ? null : 'a message was lost'), received };
  }

  stranger(): ConformancePeer {
    return new LocalConformanceDomain(this.maxima).openPeer();
  }

  settle(): void {}

  charged(): number {
    return this.domain.chargedTo(this.users.values());
  }

  counts() {
    const { peers, nodes, handles } = this.domain.counters;
    return { peers, nodes, handles };
  }

  openDescriptor(): number {
    return FIRST_FD + this.closes.push(0) - 1;
  }

  descriptors() {
    const open = this.closes.filter((closes) => closes === 0).length;
    const closedTwice = this.closes.filter((closes) => closes > 1).length;
    return { open, closedTwice };
  }

  close(): void {
    for (const peer of this.peers) peer.close();
  }
}

function localOf(peer: ConformancePeer): LocalConformancePeer {
  if (peer instanceof LocalConformancePeer) return peer;
  throw new Error('a peer of another domain');
}

class LocalConformancePeer implements ConformancePeer {
  private readonly byId: PeerById;
  private readonly closeFd: (fd: number) => void;

  constructor(byId: PeerById, closeFd: (fd: number) => void) {
    this.byId = byId;
    this.closeFd = closeFd;
  }

  transfer(to: LocalConformancePeer, entries: readonly TransferEntry[], options?: CommandOptions) {
    return this.byId.transfer(to.byId, entries, options);
  }

  release(ids: readonly number[], options?: CommandOptions) {
    this.byId.release(ids, options);
  }

  drain(ids: readonly number[], options?: CommandOptions) {
    this.byId.drain(ids, options);
  }

  send(destinations: readonly number[], { descriptors: fds, ...rest }: ConformanceOutgoing) {
    if (fds === undefined) return this.byId.send(destinations, rest);
    const descriptors = new DescriptorSet(fds, this.closeFd);
    try {
      return this.byId.send(destinations, { ...rest, descriptors });
    } finally {
      descriptors.drop();
    }
  }

  receive(space?: ReceiveSpace) {
    return this.byId.receive(space);
  }

  readable() {
    return this.byId.readable;
  }

  close() {
    this.byId.close();
  }
}
