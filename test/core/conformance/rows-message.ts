import { expect } from 'vitest';
import { copyOf, CREATE, handleRelease, refused, text, user, type Row } from './scene.js';

/** C07-C14, C27: what a message carries, where it arrives. */
export const MESSAGE_ROWS: readonly Row[] = [
  {
    id: 'C07',
    says: 'self-send of 0, 1, n bytes arrives once, at the node',
    async run(scene) {
      const peer = await scene.peer();
      const { node, handle } = await scene.channel(peer, peer);
      for (const length of [0, 1, 70_000]) {
        const data = Uint8Array.from({ length }, (_, i) => i % 251);
        await peer.send([handle], { data: [data] });
        const message = await scene.message(peer);
        expect(message).toMatchObject({ id: node, transfers: [], descriptors: null });
        expect(message.data).toEqual(data);
        await scene.sees(peer);
      }
    },
  },
  {
    id: 'C08',
    says: 'unicast across peers, with the account of the sender, who gets nothing back',
    async run(scene) {
      const [sender, receiver] = [await scene.peer(7), await scene.peer(8)];
      const { node, handle } = await scene.channel(receiver, sender);
      await sender.send([handle], text('hello'));
      await scene.domain.settle();
      expect(await receiver.readable()).toBe(true);
      expect(await scene.message(receiver)).toMatchObject({ id: node, account: 7 });
      await scene.sees(receiver);
      await scene.sees(sender);
    },
  },
  {
    id: 'C09',
    says: 'only the first n_data bytes of the vectors are delivered; short vectors: EMSGSIZE',
    async run(scene) {
      const peer = await scene.peer();
      const { node, handle } = await scene.channel(peer, peer);
      const data = ['ab', '', 'cdef', 'gh'].map((part) => new TextEncoder().encode(part));
      for (const dataBytes of [0, 1, 2, 5, 8]) await peer.send([handle], { data, dataBytes });
      const parts = ['', 'a', 'ab', 'abcde', 'abcdefgh'];
      await scene.sees(peer, ...parts.map((part) => user(node, part)));
      await refused('EMSGSIZE', () => peer.send([handle], { data, dataBytes: 9 }));
      await refused('EMSGSIZE', () => peer.send([handle], { data, dataBytes: 2 ** 31 }));
      await scene.sees(peer);
    },
  },
  {
    id: 'C10',
    says: 'multicast to k handles on p peers: exactly k messages, or none if one ID is bad',
    async run(scene) {
      const [sender, a, b, c] = await scene.peers(4);
      const toA = [await scene.channel(a, sender), await scene.channel(a, sender)];
      const toB = await scene.channel(b, sender);
      const toC = await scene.channel(c, sender);
      const all = [...toA, toB, toC].map(({ handle }) => handle);
      const { node: ownNode } = await scene.channel(sender, a);
      for (const bad of [999_999, ownNode]) {
        await refused('EBADRQC', () => sender.send([...all, bad], text('no')));
        for (const peer of [sender, a, b, c]) await scene.sees(peer);
      }
      await sender.send(all, text('all'));
      await scene.sees(a, user(toA[0].node, 'all'), user(toA[1].node, 'all'));
      await scene.sees(b, user(toB.node, 'all'));
      await scene.sees(c, user(toC.node, 'all'));
    },
  },
  {
    id: 'C11',
    says: 'the same handle twice: two messages; no destination: fine, nothing sent',
    async run(scene) {
      const [sender, receiver] = await scene.peers(2);
      const { node, handle } = await scene.channel(receiver, sender);
      await sender.send([handle, handle], text('twice'));
      await sender.send([], text('nowhere'));
      await scene.sees(receiver, user(node, 'twice'), user(node, 'twice'));
      await scene.sees(sender);
    },
  },
  {
    id: 'C12',
    says: 'a handle in a message: the receiver can send through its new ID, the sender keeps its own',
    async run(scene) {
      const [sender, receiver, target] = await scene.peers(3);
      const { handle } = await scene.channel(receiver, sender);
      const carried = await scene.channel(target, sender);
      await sender.send([handle], { ...text('take this'), transfers: [carried.handle] });
      const { transfers } = await scene.message(receiver);
      expect(transfers).toHaveLength(1);
      await receiver.send(transfers, text('from the receiver'));
      await sender.send([carried.handle], text('from the sender'));
      await scene.sees(
        target,
        user(carried.node, 'from the receiver'),
        user(carried.node, 'from the sender'),
      );
    },
  },
  {
    id: 'C13',
    says: 'a handle that comes back to the owner of its node is a handle, not the node',
    async run(scene) {
      const [owner, holder] = await scene.peers(2);
      const { node, handle } = await scene.channel(owner, holder);
      await holder.send([handle], { ...text('yours'), transfers: [handle] });
      const { transfers } = await scene.message(owner);
      expect(transfers[0]).not.toBe(node);
      await owner.send(transfers, text('to myself'));
      await scene.sees(owner, user(node, 'to myself'));
    },
  },
  {
    id: 'C14',
    says: 'two copies of a handle are two IDs, each released by itself',
    async run(scene) {
      const [owner, holder] = await scene.peers(2);
      const { source, target } = await owner.transfer(owner, [CREATE]);
      const { target: copies } = await owner.transfer(holder, [
        copyOf(target[0]),
        copyOf(target[0]),
      ]);
      expect(new Set(copies).size).toBe(2);
      await owner.release(target);
      await holder.release([copies[0]]);
      await refused('EBADRQC', () => holder.send([copies[0]], text('no')));
      await holder.send([copies[1]], text('the other lives'));
      await scene.sees(owner, user(source[0], 'the other lives'));
      await holder.release([copies[1]]);
      await scene.sees(owner, handleRelease(source[0]));
    },
  },
  {
    id: 'C27',
    says: 'EMSGSIZE reports the sizes and keeps the message; with more room it is received',
    async run(scene) {
      const peer = await scene.peer();
      const { node, handle } = await scene.channel(peer, peer);
      const data = [new Uint8Array(100)];
      await peer.send([handle], { data, transfers: [handle, handle] });
      await peer.send([handle], text('next'));
      await scene.domain.settle();
      const small = { code: 'EMSGSIZE', dataBytes: 100, transfers: 2 };
      for (const space of [
        { dataBytes: 99, transfers: 2 },
        { dataBytes: 100, transfers: 1 },
        { dataBytes: 0, transfers: 0 },
      ]) {
        await expect((async () => await peer.receive(space))()).rejects.toMatchObject(small);
        expect(await peer.readable()).toBe(true);
      }
      const message = await peer.receive({ dataBytes: 100, transfers: 2 });
      expect(message).toMatchObject({ id: node, data: data[0] });
      await scene.sees(peer, user(node, 'next'));
    },
  },
];
