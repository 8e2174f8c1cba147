import { afterEach, expect, test } from 'vitest';
import { ReceivedType } from '#core/index.js';
import {
  asSeen,
  CREATE,
  handleRelease,
  nodeRelease,
  text,
  user,
  type Seen,
} from '../conformance/scene.js';
import { seededRandom, type Random } from '../random.js';
import type { ProcessPeer } from './process-domain.js';
import {
  channel,
  endScene,
  handleOf,
  nextOf,
  openScene,
  type ProcessScene,
} from './process-scene.js';

/** The grantor has this long (docs/shared-domain.md, "Third process"): on a busy machine that can be too short. */
const HURRIED = { retry: 2 };

let scene: ProcessScene;

afterEach(async () => await endScene(scene));

async function open(count: number, acquaintances?: readonly (readonly [number, number])[]) {
  scene = await openScene(count, acquaintances);
  return scene;
}

test('a handle that goes through four processes leads home, and is released once', async () => {
  const { domain, peers } = await open(5, [
    [1, 2],
    [2, 3],
    [3, 4],
  ]);
  const [, owner, ...holders] = peers;
  const { node, handle } = await channel(owner, owner);
  let held = handle;
  let holder = owner;
  for (const next of holders) {
    const { target } = await holder.transfer(next, [{ flags: 0, id: held }]);
    await holder.release([held]);
    [held] = target;
    holder = next;
  }
  await holder.send([held], text('from afar'));
  expect(asSeen(await nextOf(owner))).toEqual(user(node, 'from afar'));
  await holder.release([held]);
  expect(asSeen(await nextOf(owner))).toEqual(handleRelease(node));
  await domain.close();
  expect(await domain.counts()).toEqual({ peers: 0, nodes: 0, handles: 0 });
});

/** Peers that hand each other handles; what each has, and what each was told. */
class Bazaar {
  readonly told = new Map<ProcessPeer, Seen[]>();
  private readonly peers: readonly ProcessPeer[];
  private held: { readonly holder: ProcessPeer; readonly id: number }[] = [];
  /** by giver and taker: a handle to the taker */
  private readonly ways = new Map<ProcessPeer, Map<ProcessPeer, number>>();

  constructor(peers: readonly ProcessPeer[]) {
    this.peers = peers;
    for (const peer of peers) this.told.set(peer, []);
  }

  /** Everybody gets a handle to everybody, by way of the first, which alone knows all of them. */
  async open(): Promise<void> {
    const [first] = this.peers;
    for (const from of this.peers) {
      const ways = new Map<ProcessPeer, number>();
      for (const to of this.peers) {
        const { target } = await to.transfer(first, [CREATE]);
        const onwards = await first.transfer(from, [{ flags: 0, id: target[0] }]);
        ways.set(to, onwards.target[0]);
        await first.release(target);
      }
      this.ways.set(from, ways);
    }
  }

  add(holder: ProcessPeer, id: number): void {
    this.held.push({ holder, id });
  }

  /** Gives some handle that somebody has to somebody; perhaps the giver keeps none. */
  async trade(random: Random): Promise<void> {
    const item = random.pick(this.held);
    const { holder, id } = item;
    const to = random.pick(this.peers);
    await holder.send([this.ways.get(holder)!.get(to)!], { ...text(''), transfers: [id] });
    if (random.chance(0.5)) {
      this.held = this.held.filter((other) => other !== item);
      await holder.process.request('release', { id: holder.id, ids: [id] });
    }
    while (random.chance(0.5) || this.held.length === 0)
      await this.receive(random.pick(this.peers));
  }

  async receive(peer: ProcessPeer): Promise<boolean> {
    const next = await peer.receive();
    if (next === undefined) return false;
    if ('transfers' in next) for (const id of next.transfers) this.add(peer, id);
    else this.told.get(peer)!.push(asSeen(next));
    return true;
  }

  async receiveAll(): Promise<void> {
    for (const peer of this.peers) while (await this.receive(peer));
  }

  async releaseAll(): Promise<void> {
    for (const { holder, id } of this.held.splice(0)) await holder.release([id]);
  }
}

test('handles passed on and released at random: every owner is told, once, at the end', async () => {
  const random = seededRandom('INTRODUCTION_SEED', 'handles at random');
  const { domain, peers } = await open(4, []);
  const bazaar = new Bazaar(peers);
  await bazaar.open();
  const nodes: number[] = [];
  for (const owner of peers) {
    const { node, handle } = await channel(owner, owner);
    nodes.push(node);
    bazaar.add(owner, handle);
  }
  for (let step = 0; step < 150; step++) await bazaar.trade(random);
  await domain.settle();
  await bazaar.receiveAll();
  await bazaar.releaseAll();
  await bazaar.receiveAll();
  for (const [i, owner] of peers.entries()) {
    expect(bazaar.told.get(owner)).toEqual([handleRelease(nodes[i])]);
  }
  await domain.close();
  expect(await domain.counts()).toEqual({ peers: 0, nodes: 0, handles: 0 });
});

test('without the authority a message does not wait for ever; what follows waits for the introduction', async () => {
  const { peers, processes } = await open(4, [
    [1, 2],
    [1, 3],
  ]);
  const [, giver, taker, owner] = peers;
  const { handle } = await channel(taker, giver);
  const home = await channel(owner, giver);
  processes[0].child.kill('SIGSTOP');
  await giver.send([handle], { ...text('take this'), transfers: [home.handle] });
  const given = await handleOf(taker);
  await taker.send([given], text('first'));
  await taker.send([given], text('second'));
  expect(await owner.receive()).toBeUndefined();
  processes[0].child.kill('SIGCONT');
  await processes[0].request('pump');
  expect(asSeen(await nextOf(owner))).toEqual(user(home.node, 'first'));
  expect(asSeen(await nextOf(owner))).toEqual(user(home.node, 'second'));
});

/**
 * Three peers in processes that know each other. The owner's process is stopped, and the giver has so much for it that
 * the grant of the owner's node, which it has given to the taker, is still in its own memory.
 */
async function openBacklogged() {
  const { domain, processes, peers } = await open(4);
  const [, giver, taker, owner] = peers;
  const toTaker = await channel(taker, giver);
  const home = await channel(owner, giver);
  await domain.settle();
  processes[3].child.kill('SIGSTOP');
  const isBacklogged = async () => {
    const { entriesWaiting } = await processes[1].request<{ entriesWaiting: number }>('counters');
    return entriesWaiting > 0;
  };
  while (!(await isBacklogged())) {
    await giver.send([home.handle], { ...text('with a pipe'), descriptors: [domain.token()] });
  }
  await giver.send([toTaker.handle], { ...text('take this'), transfers: [home.handle] });
  const given = await handleOf(taker);
  await taker.send([given], text('by the new handle'));
  return { processes, taker, toTaker, owner, home, given };
}

test('a claim that overtakes its grant waits for it', HURRIED, async () => {
  const { processes, owner, home } = await openBacklogged();
  processes[3].child.kill('SIGCONT');
  for (;;) {
    const next = await nextOf(owner);
    if (next.type !== ReceivedType.User || !('data' in next)) throw new Error('not a message');
    if (asSeen(next)[2] === 'by the new handle') break;
    expect(asSeen(next)).toEqual(user(home.node, 'with a pipe'));
  }
});

test('a grant that died with its grantor: the handle has no node, and that is all', async () => {
  const { processes, taker, toTaker, owner, home, given } = await openBacklogged();
  await processes[1].end('SIGKILL');
  processes[3].child.kill('SIGCONT');
  const told = [asSeen(await nextOf(taker)), asSeen(await nextOf(taker))];
  expect(told).toContainEqual(handleRelease(toTaker.node));
  expect(told).toContainEqual(nodeRelease(given));
  const again = await channel(owner, taker);
  await taker.send([again.handle], text('we still talk'));
  let next = asSeen(await nextOf(owner));
  while (next[1] === home.node) next = asSeen(await nextOf(owner));
  expect(next).toEqual(user(again.node, 'we still talk'));
  const { diagnostics } = await processes[3].request<{ diagnostics: string[] }>('state');
  expect(diagnostics).toEqual([]);
});
