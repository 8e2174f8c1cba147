import { expect } from 'vitest';
import type { ConformancePeer } from './domain.js';
import {
  asSeen,
  copyOf,
  CREATE,
  handleRelease,
  nodeRelease,
  refused,
  text,
  user,
  type Row,
  type Scene,
} from './scene.js';

/** C15-C22, C31: who is told when nodes, handles and peers go. */
export const LIFETIME_ROWS: readonly Row[] = [
  {
    id: 'C15',
    says: 'HANDLE_RELEASE once the last handle, in flight or not, is gone: once, and the node with it',
    async run(scene) {
      const [owner, holder] = await scene.peers(2);
      const { node, handle: own } = await scene.channel(owner, owner);
      const held = await scene.copy(owner, own, holder);
      const toHolder = await scene.channel(holder, owner);
      await owner.send([toHolder.handle], { ...text('in flight'), transfers: [own] });
      await owner.release([own]);
      await holder.release([held]);
      await scene.sees(owner);
      const { transfers } = await scene.message(holder);
      await scene.sees(owner);
      await holder.release(transfers);
      await scene.sees(owner, handleRelease(node));
      await refused('EBADRQC', () => owner.release([node]));
    },
  },
  {
    id: 'C16',
    says: 'a handle in a message that its closing receiver never took counts as released',
    async run(scene) {
      const [owner, receiver] = await scene.peers(2);
      const { node, handle } = await scene.channel(owner, owner);
      const toReceiver = await scene.channel(receiver, owner);
      await owner.send([toReceiver.handle], { ...text('lost'), transfers: [handle, handle] });
      await owner.release([handle]);
      await scene.sees(owner);
      await receiver.close();
      await scene.sees(owner, nodeRelease(toReceiver.handle), handleRelease(node));
    },
  },
  {
    id: 'C17',
    says: 'a released node: every holder gets NODE_RELEASE for its ID, once, and the ID is dead',
    async run(scene) {
      const [owner, a, b] = await scene.peers(3);
      const { node, handle } = await scene.channel(owner, owner);
      const ofA = await scene.copy(owner, handle, a);
      const ofB = await scene.copy(owner, handle, b);
      await owner.release([node]);
      await scene.sees(a, nodeRelease(ofA));
      await scene.sees(b, nodeRelease(ofB));
      await scene.sees(owner, nodeRelease(handle));
      for (const [peer, id] of [
        [owner, handle],
        [a, ofA],
        [b, ofB],
      ] as const) {
        await refused('EBADRQC', () => peer.send([id], text('no')));
        await refused('EBADRQC', () => peer.release([id]));
        await refused('EBADRQC', () => peer.transfer(owner, [copyOf(id)]));
      }
      await refused('EBADRQC', () => owner.release([node]));
    },
  },
  {
    id: 'C18',
    says: 'a holder that released its handle first gets no NODE_RELEASE, queued or not',
    async run(scene) {
      const [owner, holder] = await scene.peers(2);
      const before = await scene.channel(owner, holder);
      const between = await scene.channel(owner, holder);
      await holder.release([before.handle]);
      await scene.sees(owner, handleRelease(before.node));
      await owner.release([between.node]);
      await scene.domain.settle();
      await holder.release([between.handle]);
      await scene.sees(holder);
      await scene.sees(owner);
    },
  },
  {
    id: 'C19',
    says: 'what one RELEASE names goes in one transaction: observers see all of it, or none',
    run: releaseIsOneTransaction,
  },
  {
    id: 'C20',
    says: 'send to a released node or a closed peer succeeds and is never received',
    async run(scene) {
      const [owner, sender, closing] = await scene.peers(3);
      const released = await scene.channel(owner, sender);
      const closed = await scene.channel(closing, sender);
      await sender.send([released.handle], text('queued, then discarded'));
      await owner.release([released.node]);
      await closing.close();
      await sender.send([released.handle], text('nobody'));
      await sender.send([closed.handle, released.handle], text('nobody'));
      await scene.sees(owner);
      await scene.sees(sender, nodeRelease(released.handle), nodeRelease(closed.handle));
    },
  },
  {
    id: 'C21',
    says: 'a handle whose node goes while it is under way, or before: USER first, then NODE_RELEASE',
    async run(scene) {
      const [owner, sender, receiver] = await scene.peers(3);
      const { node, handle } = await scene.channel(owner, sender);
      const toReceiver = await scene.channel(receiver, sender);
      const carry = { ...text('carries'), transfers: [handle] };
      await sender.send([toReceiver.handle], carry);
      await owner.release([node]);
      await sender.send([toReceiver.handle], carry);
      const copied = await scene.copy(sender, handle, receiver);
      const [first, early, second, late, last] = await scene.drain(receiver);
      expect([first, second].map(asSeen)).toEqual(
        Array.from({ length: 2 }, () => user(toReceiver.node, 'carries')),
      );
      const fresh = [first, second].flatMap((seen) => ('transfers' in seen ? seen.transfers : []));
      expect([early, late, last].map(asSeen)).toEqual([...fresh, copied].map(nodeRelease));
      await refused('EBADRQC', () => receiver.send([fresh[0]], text('no')));
      await scene.sees(sender, nodeRelease(handle));
    },
  },
  {
    id: 'C22',
    says: 'a closing peer: all its nodes go in one transaction, its handles after them',
    run: closeIsTwoTransactions,
  },
  {
    id: 'C31',
    says: 'hive: 1000 peers with 100 handles each close together: exactly 1000 notifications',
    run: hive,
  },
];

/** After the first of them is there, the others must be, without any waiting. */
async function seesTogether(
  scene: Scene,
  expected: readonly (readonly [ConformancePeer, number])[],
): Promise<void> {
  await scene.domain.settle();
  for (const [peer, handle] of expected) {
    expect(await peer.receive()).toEqual({ type: 1, id: handle });
  }
}

async function releaseIsOneTransaction(scene: Scene): Promise<void> {
  const [owner, a, b] = await scene.peers(3);
  const one = await scene.channel(owner, a);
  const two = await scene.channel(owner, a);
  const three = await scene.channel(owner, b);
  const ofB = await scene.channel(b, owner);
  await refused('EBADRQC', () => owner.release([one.node, two.node, 999_999]));
  await scene.sees(a);
  await scene.sees(b);
  await owner.release([ofB.handle, one.node, three.node, two.node]);
  await seesTogether(scene, [
    [b, three.handle],
    [a, one.handle],
    [a, two.handle],
  ]);
  await scene.sees(b, handleRelease(ofB.node));
  await scene.sees(a);
}

async function closeIsTwoTransactions(scene: Scene): Promise<void> {
  const [closing, a, b] = await scene.peers(3);
  const { handle: ofA } = await scene.channel(closing, a);
  const { handle: ofB } = await scene.channel(closing, b);
  const toA = await scene.channel(a, closing);
  const toB = await scene.channel(b, closing);
  await closing.transfer(closing, [CREATE]);
  await closing.close();
  await seesTogether(scene, [
    [b, ofB],
    [a, ofA],
  ]);
  await scene.sees(a, handleRelease(toA.node));
  await scene.sees(b, handleRelease(toB.node));
  await refused('EBADF', () => closing.receive());
  await refused('EBADF', () => closing.transfer(closing, [CREATE]));
}

const HIVE_PEERS = 1000;
const HIVE_HANDLES = 100;

/** As upstream's 2016 selftest: every child holds handles to its siblings, the parent one to each child. */
async function hive(scene: Scene): Promise<void> {
  const parent = await scene.peer();
  const children = await scene.domain.openPeers(HIVE_PEERS);
  const ofParent = await scene.domain.connect(children.map((child) => [child, parent] as const));
  await scene.domain.connect(
    children.flatMap((child, i) =>
      Array.from(
        { length: HIVE_HANDLES },
        (_, k) => [child, children[(i + 1 + k) % HIVE_PEERS]] as const,
      ),
    ),
  );
  expect(await scene.domain.counts()).toEqual({
    peers: HIVE_PEERS + 1,
    nodes: HIVE_PEERS * (HIVE_HANDLES + 1),
    handles: HIVE_PEERS * (HIVE_HANDLES + 1),
  });
  await scene.domain.closeTogether(children);
  const released = await scene.drain(parent);
  expect(released.every(({ type }) => type === 1)).toBe(true);
  expect(released.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual(
    ofParent.toSorted((a, b) => a - b),
  );
  expect(await scene.domain.counts()).toEqual({ peers: 1, nodes: 0, handles: 0 });
}
