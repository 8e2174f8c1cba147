import { expect } from 'vitest';
import { ReceivedType } from '#core/index.js';
import { Random, seededRandom } from '../random.js';
import type { ConformancePeer } from './domain.js';
import { nodeRelease, text, user, type Row, type Scene } from './scene.js';

const SCHEDULES = Number(process.env['CONFORMANCE_SCHEDULES'] ?? 100_000);
const PEERS = 4;

/** C23-C26: what is seen before what. */
export const ORDER_ROWS: readonly Row[] = [
  {
    id: 'C23',
    says: 'causality by bus: what is sent on receipt of a message is seen after that message',
    async run(scene) {
      const random = seededRandom('CONFORMANCE_SEED', `C23, ${SCHEDULES} schedules`);
      const net = await openNet(scene);
      for (let i = 0; i < SCHEDULES; i++) await new CausalSchedule(scene, net, random).run();
    },
  },
  {
    id: 'C24',
    says: 'causality by side channel: what is sent after awaiting another task is seen after its',
    async run(scene) {
      const random = seededRandom('CONFORMANCE_SEED', `C24, ${SCHEDULES} schedules`);
      const net = await openNet(scene);
      for (let i = 0; i < SCHEDULES; i++) await sideChannelSchedule(scene, net, random);
    },
  },
  {
    id: 'C25',
    says: 'messages of one sender to one receiver arrive in order',
    async run(scene) {
      const [receiver, ...senders] = await scene.peers(4);
      const channels = await Promise.all(
        senders.map((sender) => Promise.all([0, 1].map(() => scene.channel(receiver, sender)))),
      );
      await Promise.all(
        senders.map(async (sender, s) => {
          for (let i = 0; i < 100; i++) {
            await sender.send([channels[s][i % 2].handle], { data: [Uint8Array.of(s, i)] });
          }
        }),
      );
      const order: number[][] = senders.map(() => []);
      for (const seen of await scene.drain(receiver)) {
        if (seen.type === ReceivedType.User) order[seen.data[0]].push(seen.data[1]);
      }
      const inOrder = Array.from({ length: 100 }, (_, i) => i);
      expect(order).toEqual(senders.map(() => inOrder));
    },
  },
  {
    id: 'C26',
    says: 'send, then release a node: the message comes before NODE_RELEASE',
    async run(scene) {
      const [sender, receiver] = await scene.peers(2);
      const forth = await scene.channel(receiver, sender);
      const back = await scene.channel(sender, receiver);
      await sender.send([forth.handle], text('last words'));
      await sender.release([back.node]);
      await scene.sees(receiver, user(forth.node, 'last words'), nodeRelease(back.handle));
    },
  },
];

/** Peers of which each holds a handle to a node of each: `handles[i][k]` leads from i to k. */
interface Net {
  readonly peers: readonly ConformancePeer[];
  readonly handles: readonly (readonly number[])[];
}

async function openNet(scene: Scene): Promise<Net> {
  const peers = await scene.peers(PEERS);
  const handles: number[][] = [];
  for (const from of peers) {
    const row: number[] = [];
    for (const to of peers) row.push((await scene.channel(to, from)).handle);
    handles.push(row);
  }
  return { peers, handles };
}

/** Sends the number `label` from peer `from` to the peers whose bits are set in `to`. */
async function sendTo({ peers, handles }: Net, from: number, to: number, label: number) {
  const destinations = handles[from].filter((_, k) => to & (1 << k));
  await peers[from].send(destinations, { data: [Uint8Array.of(label)] });
}

async function receiveLabel(peer: ConformancePeer): Promise<number | undefined> {
  const received = await peer.receive();
  return received?.type === ReceivedType.User ? received.data[0] : undefined;
}

/** Random sends and receives; sets of messages are bit masks. */
class CausalSchedule {
  private readonly past: number[] = [];
  private readonly destinations: number[] = [];
  private readonly known: number[] = Array.from({ length: PEERS }, () => 0);
  private readonly received: number[] = Array.from({ length: PEERS }, () => 0);
  private readonly scene: Scene;
  private readonly net: Net;
  private readonly random: Random;

  constructor(scene: Scene, net: Net, random: Random) {
    this.scene = scene;
    this.net = net;
    this.random = random;
  }

  async run(): Promise<void> {
    for (let step = 0; step < 12; step++) {
      const peer = this.random.below(PEERS);
      if (this.random.chance(0.6)) await this.receive(peer);
      else await this.send(peer);
    }
    await this.scene.domain.settle();
    for (let peer = 0; peer < PEERS; peer++) {
      while (await this.receive(peer));
      const meant = this.destinations.reduce((set, to, m) => set | (((to >> peer) & 1) << m), 0);
      if (this.received[peer] !== meant) throw new Error(`peer ${peer} missed a message`);
    }
  }

  private async send(peer: number): Promise<void> {
    const to = 1 + this.random.below(2 ** PEERS - 1);
    const label = this.destinations.push(to) - 1;
    this.past.push(this.known[peer]);
    this.known[peer] |= 1 << label;
    await sendTo(this.net, peer, to, label);
  }

  private async receive(peer: number): Promise<boolean> {
    const label = await receiveLabel(this.net.peers[peer]);
    if (label === undefined) return false;
    for (let earlier = 0; earlier < label; earlier++) {
      const isCause = this.past[label] & (1 << earlier) && this.destinations[earlier] & (1 << peer);
      if (isCause && !(this.received[peer] & (1 << earlier))) {
        throw new Error(`peer ${peer} received ${label} before its cause ${earlier}`);
      }
    }
    if (this.received[peer] & (1 << label)) throw new Error(`peer ${peer} received ${label} twice`);
    this.received[peer] |= 1 << label;
    this.known[peer] |= this.past[label] | (1 << label);
    return true;
  }
}

/** Tasks of random peers, each waiting for the one before, started in any order. */
async function sideChannelSchedule(scene: Scene, net: Net, random: Random): Promise<void> {
  const steps = 2 + random.below(4);
  const done: (() => void)[] = [];
  const isDone = Array.from(
    { length: steps },
    (_, i) => new Promise<void>((resolve) => (done[i] = resolve)),
  );
  const everywhere: number[][] = net.peers.map(() => []);
  const task = async (i: number, from: number, to: number) => {
    if (i > 0) await isDone[i - 1];
    await sendTo(net, from, to, i);
    done[i]();
  };
  const tasks = random.shuffled([...isDone.keys()]).map((i) => {
    const to = 1 + random.below(2 ** PEERS - 1);
    everywhere.forEach((labels, k) => to & (1 << k) && labels.push(i));
    return task(i, random.below(PEERS), to);
  });
  await Promise.all(tasks);
  await scene.domain.settle();
  for (const [k, peer] of net.peers.entries()) {
    for (const expected of everywhere[k].toSorted((a, b) => a - b)) {
      const label = await receiveLabel(peer);
      if (label !== expected) throw new Error(`peer ${k} received ${label}, not ${expected}`);
    }
    if ((await peer.receive()) !== undefined) throw new Error(`peer ${k} received more`);
  }
}
