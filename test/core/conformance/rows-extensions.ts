import { expect } from 'vitest';
import { NewNode, ReceivedType } from '#core/index.js';
import { seededRandom } from '../random.js';
import type { ConformancePeer } from './domain.js';
import {
  asSeen,
  CREATE_ONE_SHOT,
  handleRelease,
  nodeRelease,
  refused,
  text,
  user,
  type Row,
  type Scene,
} from './scene.js';

/** X01-X09 one-shot nodes, X10-X13 descriptors, X14 the total order of transactions, X15-X19 nodes that drain. */
export const EXTENSION_ROWS: readonly Row[] = [
  {
    id: 'X01',
    says: 'one-shot: the first message ends the node and uses up the handle, silently; the next: EBADRQC',
    async run(scene) {
      const [maker, holder] = await scene.peers(2);
      const { node, handle } = await scene.channel(maker, holder, CREATE_ONE_SHOT);
      await holder.send([handle], text('reply'));
      await refused('EBADRQC', () => holder.send([handle], text('again')));
      await refused('EBADRQC', () => holder.release([handle]));
      await scene.sees(maker, user(node, 'reply'));
      await refused('EBADRQC', () => maker.release([node]));
      await scene.sees(holder);
      expect(await scene.domain.counts()).toMatchObject({ nodes: 0, handles: 0 });
    },
  },
  {
    id: 'X02',
    says: 'one-shot: released by its holder instead: HANDLE_RELEASE to its maker',
    async run(scene) {
      const [maker, holder] = await scene.peers(2);
      const { node, handle } = await scene.channel(maker, holder, CREATE_ONE_SHOT);
      await holder.release([handle]);
      await scene.sees(maker, handleRelease(node));
    },
  },
  {
    id: 'X03',
    says: 'one-shot: its maker closes or releases it: NODE_RELEASE to the holder',
    async run(scene) {
      const [maker, closing, holder] = await scene.peers(3);
      const released = await scene.channel(maker, holder, CREATE_ONE_SHOT);
      const closed = await scene.channel(closing, holder, CREATE_ONE_SHOT);
      await maker.release([released.node]);
      await closing.close();
      await scene.sees(holder, nodeRelease(released.handle), nodeRelease(closed.handle));
    },
  },
  {
    id: 'X04',
    says: 'one-shot: a new node travels with a message, its handle last; the reply comes back once',
    async run(scene) {
      const [caller, callee] = await scene.peers(2);
      const { handle } = await scene.channel(callee, caller);
      const { handle: other } = await scene.channel(caller, caller);
      const call = { ...text('call'), transfers: [other], newNode: NewNode.OneShot };
      const replyNode = await caller.send([handle], call);
      const { transfers } = await scene.message(callee);
      expect(transfers).toHaveLength(2);
      await callee.send([transfers[1]], text('reply'));
      await refused('EBADRQC', () => callee.send([transfers[1]], text('more')));
      await scene.sees(caller, user(replyNode, 'reply'));
    },
  },
  {
    id: 'X05',
    says: 'one-shot: a message discarded with its handle inside, or sent nowhere: HANDLE_RELEASE',
    async run(scene) {
      const [caller, callee, closing] = await scene.peers(3);
      const first = await scene.channel(callee, caller);
      const second = await scene.channel(closing, caller);
      const call = { ...text('call'), newNode: NewNode.OneShot };
      const discarded = await caller.send([first.handle], call);
      await callee.release([first.node]);
      const tooLate = await caller.send([first.handle], call);
      const unread = await caller.send([second.handle], call);
      await closing.close();
      const nowhere = await caller.send([], call);
      await scene.sees(
        caller,
        nodeRelease(first.handle),
        handleRelease(discarded),
        handleRelease(tooLate),
        nodeRelease(second.handle),
        handleRelease(unread),
        handleRelease(nowhere),
      );
    },
  },
  {
    id: 'X06',
    says: 'one-shot: of several holders the first to send wins, the others get NODE_RELEASE',
    async run(scene) {
      const [maker, a, b, c] = await scene.peers(4);
      const { node, handle } = await scene.channel(maker, a, CREATE_ONE_SHOT);
      const ofB = await scene.copy(a, handle, b);
      const ofC = await scene.copy(a, handle, c);
      await b.send([ofB], text('first'));
      await c.send([ofC], text('late: to a released node'));
      await scene.sees(maker, user(node, 'first'));
      await scene.sees(a, nodeRelease(handle));
      await scene.sees(b);
      await scene.sees(c);
      await refused('EBADRQC', () => c.send([ofC], text('the handle was used up')));
    },
  },
  {
    id: 'X07',
    says: 'one-shot: named twice in a multicast it takes, and is charged, one message',
    async run(scene) {
      const [maker, sender, other] = await scene.peers(3);
      const { node, handle } = await scene.channel(maker, sender, CREATE_ONE_SHOT);
      const twin = await scene.copy(sender, handle, sender);
      const { handle: toOther, node: ofOther } = await scene.channel(other, sender);
      await sender.send([handle, toOther, twin, handle], text('once'));
      await scene.sees(maker, user(node, 'once'));
      await scene.sees(other, user(ofOther, 'once'));
      await scene.sees(sender);
      expect(await scene.domain.charged()).toBe(0);
      await refused('EBADRQC', () => sender.send([twin], text('no')));
    },
  },
  {
    id: 'X08',
    says: 'one-shot: releasing it before its message is received discards the message',
    async run(scene) {
      const [maker, holder] = await scene.peers(2);
      const { node, handle } = await scene.channel(maker, holder, CREATE_ONE_SHOT);
      const inside = await scene.channel(holder, holder);
      await holder.send([handle], { ...text('reply'), transfers: [inside.handle] });
      await holder.release([inside.handle]);
      await maker.release([node]);
      await scene.sees(maker);
      await scene.sees(holder, handleRelease(inside.node));
    },
  },
  {
    id: 'X09',
    says: 'one-shot: without CREATE the flag is EINVAL',
    async run(scene) {
      const peer = await scene.peer();
      const { handle } = await scene.channel(peer, peer);
      await refused('EINVAL', () => peer.transfer(peer, [{ flags: 2, id: handle }]));
    },
  },
  {
    id: 'X10',
    says: 'descriptors arrive open with their message and are closed once, by the receiver',
    async run(scene) {
      const [sender, receiver] = await scene.peers(2);
      const { handle } = await scene.channel(receiver, sender);
      await sender.send([handle], { ...text('two'), descriptors: await descriptors(scene, 2) });
      const message = await scene.message(receiver);
      expect(message.descriptors?.count).toBe(2);
      expect(await scene.domain.descriptors()).toEqual({ open: 2, closedTwice: 0 });
      await message.descriptors?.drop();
      expect(await scene.domain.descriptors()).toEqual({ open: 0, closedTwice: 0 });
    },
  },
  {
    id: 'X11',
    says: 'descriptors of a discarded message are closed: node released, receiver closed, sent nowhere',
    async run(scene) {
      const [sender, receiver, closing] = await scene.peers(3);
      const { node, handle } = await scene.channel(receiver, sender);
      const toClosing = await scene.channel(closing, sender);
      const openNow = async () => (await scene.domain.descriptors()).open;
      await sender.send([handle], { ...text(''), descriptors: await descriptors(scene, 1) });
      await sender.send([toClosing.handle], {
        ...text(''),
        descriptors: await descriptors(scene, 3),
      });
      expect(await openNow()).toBe(4);
      await receiver.release([node]);
      expect(await openNow()).toBe(3);
      await closing.close();
      expect(await openNow()).toBe(0);
      await sender.send([handle], { ...text(''), descriptors: await descriptors(scene, 1) });
      await scene.domain.settle();
      expect(await openNow()).toBe(0);
    },
  },
  {
    id: 'X12',
    says: 'descriptors of a multicast are closed when the last receiver is done with them',
    async run(scene) {
      const [sender, a, b, c] = await scene.peers(4);
      const channels = [a, b, c].map((peer) => scene.channel(peer, sender));
      const [toA, toB, toC] = await Promise.all(channels);
      const all = [toA, toB, toC].map(({ handle }) => handle);
      await sender.send(all, { ...text('all'), descriptors: await descriptors(scene, 1) });
      await (await scene.message(a)).descriptors?.drop();
      await b.release([toB.node]);
      await c.close();
      expect(await scene.domain.descriptors()).toEqual({ open: 0, closedTwice: 0 });
    },
  },
  {
    id: 'X13',
    says: 'descriptors of a refused message are closed with it; nobody else sees them',
    maxima: { objects: 1024, bytes: 1024, descriptors: 16 },
    async run(scene) {
      const [sender, receiver] = [await scene.peer(1), await scene.peer(2)];
      const { handle } = await scene.channel(receiver, sender);
      const send = async (to: number, count: number) =>
        await sender.send([to], { ...text(''), descriptors: await descriptors(scene, count) });
      await refused('EBADRQC', () => send(999_999, 1));
      await refused('EDQUOT', () => send(handle, 3));
      expect(await scene.domain.descriptors()).toEqual({ open: 0, closedTwice: 0 });
      await scene.sees(receiver);
      await send(handle, 2);
      await (await scene.message(receiver)).descriptors?.drop();
    },
  },
  {
    id: 'X14',
    says: 'total order: concurrent multicasts and releases are seen in one order by all',
    run: totalOrder,
  },
  {
    id: 'X15',
    says: 'drain: what was sent before arrives, then HANDLE_RELEASE; holders get NODE_RELEASE; nothing later arrives',
    async run(scene) {
      const [owner, holder, other] = await scene.peers(3);
      const { node, handle } = await scene.channel(owner, holder);
      const copy = await scene.copy(holder, handle, other);
      await holder.send([handle], text('1'));
      await other.send([copy], text('2'));
      await scene.domain.settle();
      await owner.drain([node]);
      await scene.domain.settle();
      await holder.send([handle], text('late'));
      await scene.sees(owner, user(node, '1'), user(node, '2'), handleRelease(node));
      await scene.sees(holder, nodeRelease(handle));
      await scene.sees(other, nodeRelease(copy));
      expect(await scene.domain.counts()).toMatchObject({ nodes: 0, handles: 0 });
      expect(await scene.domain.charged()).toBe(0);
    },
  },
  {
    id: 'X16',
    says: 'drain: while others send, all arrives that was sent before the NODE_RELEASE came, and HANDLE_RELEASE last',
    run: drainUnderLoad,
  },
  {
    id: 'X17',
    says: 'drain: a handle that is on its way meanwhile arrives, with its NODE_RELEASE',
    async run(scene) {
      const [owner, holder, third, taker] = await scene.peers(4);
      const { node, handle } = await scene.channel(owner, holder);
      const toThird = await scene.channel(third, holder);
      const toTaker = await scene.channel(taker, holder);
      const sent = [toThird, toTaker].map(async (to) => {
        await holder.send([to.handle], { ...text('take'), transfers: [handle] });
      });
      await Promise.all([owner.drain([node]), ...sent]);
      for (const peer of [third, taker]) {
        const { transfers } = await scene.message(peer);
        await scene.sees(peer, nodeRelease(transfers[0]));
      }
      await scene.sees(holder, nodeRelease(handle));
      await scene.sees(owner, handleRelease(node));
      await holder.release([toThird.handle, toTaker.handle]);
      await scene.sees(third, handleRelease(toThird.node));
      await scene.sees(taker, handleRelease(toTaker.node));
      expect(await scene.domain.counts()).toMatchObject({ nodes: 0, handles: 0 });
    },
  },
  {
    id: 'X18',
    says: 'drain: a one-shot node takes its message or ends without one; a holder that leaves is not waited for',
    async run(scene) {
      const [owner, holder, leaving] = await scene.peers(3);
      const used = await scene.channel(owner, holder, CREATE_ONE_SHOT);
      const unused = await scene.channel(owner, holder, CREATE_ONE_SHOT);
      const left = await scene.channel(owner, leaving);
      await holder.send([used.handle], text('reply'));
      await scene.domain.settle();
      await owner.drain([unused.node, left.node]);
      await leaving.close();
      const seen = (await scene.drain(owner)).map(({ type, id }) => [type, id]);
      expect(seen).toHaveLength(3);
      expect(seen).toContainEqual([ReceivedType.User, used.node]);
      expect(seen).toContainEqual([ReceivedType.HandleRelease, unused.node]);
      expect(seen).toContainEqual([ReceivedType.HandleRelease, left.node]);
      await scene.sees(holder, nodeRelease(unused.handle));
    },
  },
  {
    id: 'X19',
    says: 'drain: only nodes of the peer (EBADRQC); a node that drains can be released, and its owner can close',
    async run(scene) {
      const [owner, closing, holder] = await scene.peers(3);
      const first = await scene.channel(owner, holder);
      const second = await scene.channel(closing, holder);
      await scene.refusedWithoutTrace('EBADRQC', [owner, holder], () =>
        holder.drain([first.handle]),
      );
      await scene.refusedWithoutTrace('EINVAL', [owner], () =>
        owner.drain([first.node], { flags: 1 }),
      );
      await owner.drain([first.node]);
      await owner.release([first.node]);
      await closing.drain([second.node]);
      await closing.close();
      await scene.sees(holder, nodeRelease(first.handle), nodeRelease(second.handle));
      await scene.sees(owner);
      expect(await scene.domain.counts()).toMatchObject({ nodes: 0, handles: 0 });
    },
  },
];

const DRAIN_ROUNDS = 10;

/** Each holder sends until it finds the NODE_RELEASE: what it had sent before it last looked in vain must arrive. */
async function drainUnderLoad(scene: Scene): Promise<void> {
  const random = seededRandom('CONFORMANCE_SEED', 'X16');
  const owner = await scene.peer();
  const holders = await scene.peers(3);
  for (let round = 0; round < DRAIN_ROUNDS; round++) {
    const first = await scene.channel(owner, holders[0]);
    const handles = [first.handle];
    for (const holder of holders.slice(1)) {
      handles.push(await scene.copy(holders[0], first.handle, holder));
    }
    const certain = holders.map(() => 0);
    const send = async (i: number): Promise<void> => {
      for (let k = 0; ; k++) {
        await holders[i].send([handles[i]], text(`${i}.${k}`));
        if (await holders[i].readable()) return;
        certain[i] = k + 1;
      }
    };
    const pause = random.below(4);
    const drain = async (): Promise<void> => {
      for (let i = 0; i < pause; i++) await owner.readable();
      await owner.drain([first.node]);
    };
    await Promise.all([...holders.map(async (_, i) => await send(i)), drain()]);
    const seen = (await scene.drain(owner)).map(asSeen);
    expect(seen.pop()).toEqual(handleRelease(first.node));
    for (const [i, holder] of holders.entries()) {
      const received = seen
        .map((entry) => String(entry[2]))
        .filter((label) => label.startsWith(`${i}.`));
      expect(received).toEqual(received.map((_, k) => `${i}.${k}`));
      expect(received.length).toBeGreaterThanOrEqual(certain[i]);
      await scene.sees(holder, nodeRelease(handles[i]));
    }
  }
  expect(await scene.domain.counts()).toMatchObject({ nodes: 0, handles: 0 });
}

async function descriptors(scene: Scene, count: number): Promise<number[]> {
  const fds: number[] = [];
  for (let i = 0; i < count; i++) fds.push(await scene.domain.openDescriptor());
  return fds;
}

const ROUNDS = 20;
const SENDERS = 4;
const RECEIVERS = 4;

/** Each round, every sender at once multicasts to some receivers or releases a node that all of them know. */
async function totalOrder(scene: Scene): Promise<void> {
  const random = seededRandom('CONFORMANCE_SEED', 'X14');
  const senders = await scene.peers(SENDERS);
  const receivers = await scene.peers(RECEIVERS);
  const names: Map<number, string>[] = receivers.map(() => new Map<number, string>());
  const plans: { name: string; act: () => Promise<void> }[][] = [];
  for (const [s, sender] of senders.entries()) {
    const handles: number[] = [];
    for (const receiver of receivers) handles.push((await scene.channel(receiver, sender)).handle);
    const plan: (typeof plans)[number] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const name = `${s}.${round}`;
      if (random.chance(0.3)) {
        const node = await announce(scene, sender, receivers, names, name);
        plan.push({ name, act: async () => await sender.release([node]) });
      } else {
        const to = handles.filter(() => random.chance(0.7));
        plan.push({ name, act: async () => void (await sender.send(to, text(name))) });
      }
    }
    plans.push(plan);
  }
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(random.shuffled(plans).map((plan) => plan[round].act()));
  }
  const orders: string[][] = [];
  for (const [r, receiver] of receivers.entries()) {
    const seen = await scene.drain(receiver);
    orders.push(
      seen.map((entry) =>
        entry.type === ReceivedType.User
          ? new TextDecoder().decode(entry.data)
          : names[r].get(entry.id)!,
      ),
    );
  }
  expect(orders.flat().length).toBeGreaterThan(ROUNDS);
  expect(isOneOrder(orders)).toBe(true);
}

/** A node of `owner` whose handles all `receivers` hold; files their IDs under `name`. */
async function announce(
  scene: Scene,
  owner: ConformancePeer,
  receivers: readonly ConformancePeer[],
  names: readonly Map<number, string>[],
  name: string,
): Promise<number> {
  const { node, handle } = await scene.channel(owner, owner);
  for (const [r, receiver] of receivers.entries()) {
    names[r].set(await scene.copy(owner, handle, receiver), name);
  }
  await owner.release([handle]);
  return node;
}

/** Whether there is one sequence of which all `orders` are parts: heads that nobody has further back are taken off. */
function isOneOrder(orders: readonly (readonly string[])[]): boolean {
  const rest = orders.map((order) => [...order]);
  for (;;) {
    const heads = new Set(rest.flatMap((order) => order.slice(0, 1)));
    if (heads.size === 0) return true;
    const tails = new Set(rest.flatMap((order) => order.slice(1)));
    const next = [...heads].find((head) => !tails.has(head));
    if (next === undefined) return false;
    for (const order of rest) if (order[0] === next) order.shift();
  }
}
