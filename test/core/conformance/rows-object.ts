import { expect } from 'vitest';
import { INVALID_ID, NewNode, type Bus1Code, type TransferEntry } from '#core/index.js';
import { copyOf, CREATE, refused, text, user, type Row, type Scene } from './scene.js';

const NEVER_USED = 999_999;

/** C01-C06, C30, C32: peers, nodes, handles, and what is refused. */
export const OBJECT_ROWS: readonly Row[] = [
  {
    id: 'C01',
    says: 'new peer: nothing to receive, not readable',
    async run(scene) {
      const peer = await scene.peer();
      expect(await peer.receive()).toBeUndefined();
      expect(await peer.readable()).toBe(false);
    },
  },
  {
    id: 'C02',
    says: 'CREATE to self returns a node and then a handle ID, both odd, distinct',
    async run(scene) {
      const peer = await scene.peer();
      const { node, handle } = await scene.channel(peer, peer);
      expect(node % 2).toBe(1);
      expect(handle % 2).toBe(1);
      expect(handle).toBeGreaterThan(node);
    },
  },
  {
    id: 'C03',
    says: 'CREATE with an ID, unknown transfer, command or message flags, other types: EINVAL',
    async run(scene) {
      const peer = await scene.peer();
      const { node, handle } = await scene.channel(peer, peer);
      await peer.send([handle], text('kept'));
      const refusals: (() => unknown)[] = [
        () => peer.transfer(peer, [{ ...CREATE, id: handle }]),
        () => peer.transfer(peer, [{ flags: 1 << 7, id: handle }]),
        () => peer.transfer(peer, [CREATE], { flags: 1 }),
        () => peer.release([handle], { flags: 1 }),
        () => peer.send([handle], { ...text('no'), flags: 1 }),
        () => peer.send([handle], { ...text('no'), messageFlags: 1 }),
        () => peer.send([handle], { ...text('no'), type: 1 }),
        () => peer.send([handle], { ...text('no'), transfers: [CREATE] }),
        () => peer.receive({ flags: 1 }),
        () => peer.receive({ messageFlags: 1 }),
        () => peer.receive({ type: 0 }),
      ];
      for (const operation of refusals) await refused('EINVAL', operation);
      await scene.sees(peer, user(node, 'kept'));
    },
  },
  {
    id: 'C04',
    says: 'transfer of an unknown ID or a node: EBADRQC; to no peer: EOPNOTSUPP; to a closed one: EBADF',
    async run(scene) {
      const [peer, closed] = await scene.peers(2);
      const { node, handle } = await scene.channel(peer, peer);
      const stranger = await scene.domain.stranger();
      await closed.close();
      await refused('EBADRQC', () => peer.transfer(peer, [copyOf(NEVER_USED)]));
      await refused('EBADRQC', () => peer.transfer(peer, [copyOf(node)]));
      await refused('EBADRQC', () => peer.transfer(peer, [copyOf(INVALID_ID)]));
      await refused('EOPNOTSUPP', () => peer.transfer(stranger, [copyOf(handle)]));
      await refused('EBADF', () => peer.transfer(closed, [copyOf(handle)]));
    },
  },
  {
    id: 'C05',
    says: 'transfer to another peer gives an ID that is valid only there',
    async run(scene) {
      const [owner, holder] = await scene.peers(2);
      const { source, target } = await owner.transfer(holder, [CREATE, CREATE, CREATE]);
      const copies = await holder.transfer(holder, target.map(copyOf));
      const id = Math.max(...copies.target);
      await refused('EBADRQC', () => owner.send([id], text('no')));
      await holder.send([id], text('yes'));
      await scene.sees(owner, user(source[copies.target.indexOf(id)], 'yes'));
    },
  },
  {
    id: 'C06',
    says: 'IDs never repeat, also after failures and releases',
    run: idsNeverRepeat,
  },
  {
    id: 'C30',
    says: 'a failed operation leaves no handle, node or message',
    maxima: { objects: 64, bytes: 128, descriptors: 8 },
    run: failuresLeaveNothing,
  },
  {
    id: 'C32',
    says: 'an unknown ID in RELEASE: nothing is released; a repeated one is released once',
    async run(scene) {
      const [owner, holder] = await scene.peers(2);
      const { node, handle } = await scene.channel(owner, holder);
      await scene.refusedWithoutTrace('EBADRQC', [owner, holder], () =>
        holder.release([handle, NEVER_USED]),
      );
      await holder.send([handle], text('still there'));
      await scene.sees(owner, user(node, 'still there'));
      await holder.release([handle, handle]);
      await scene.sees(owner, ['HANDLE_RELEASE', node]);
    },
  },
];

async function idsNeverRepeat(scene: Scene): Promise<void> {
  const [peer, other] = await scene.peers(2);
  const seen = new Set<number>();
  const isNew = (id: number) => {
    expect(seen.has(id), `ID ${id} was used before`).toBe(false);
    seen.add(id);
  };
  const toPeer = await scene.channel(peer, other);
  isNew(toPeer.node);
  for (let round = 0; round < 100; round++) {
    const { node, handle } = await scene.channel(peer, peer);
    [node, handle].forEach(isNew);
    await refused('EBADRQC', () => peer.transfer(peer, [CREATE, copyOf(NEVER_USED)]));
    await refused('EBADRQC', () => peer.send([handle, NEVER_USED], text('no')));
    isNew(await scene.copy(peer, handle, peer));
    const { handle: carried } = await scene.channel(other, other);
    await other.send([toPeer.handle], { ...text('gift'), transfers: [carried, carried] });
    (await scene.message(peer)).transfers.forEach(isNew);
    await peer.release([node]);
    await scene.drain(peer);
  }
}

async function failuresLeaveNothing(scene: Scene): Promise<void> {
  const [sender, receiver] = [await scene.peer(1), await scene.peer(2)];
  const { node, handle } = await scene.channel(receiver, sender);
  const { handle: own } = await scene.channel(sender, sender);
  const both = [sender, receiver];
  const stranger = await scene.domain.stranger();
  const closed = await scene.peer();
  await closed.close();
  const refuse = (code: Bus1Code, operation: () => unknown) =>
    scene.refusedWithoutTrace(code, both, operation);
  const bad: TransferEntry = { flags: 1 << 7, id: own };

  await refuse('EBADRQC', () => sender.transfer(receiver, [CREATE, copyOf(NEVER_USED)]));
  await refuse('EINVAL', () => sender.transfer(receiver, [CREATE, copyOf(own), bad]));
  await refuse('EOPNOTSUPP', () => sender.transfer(stranger, [CREATE, copyOf(own)]));
  await refuse('EBADF', () => sender.transfer(closed, [CREATE, copyOf(own)]));
  await refuse('EBADRQC', () => sender.send([own, handle, NEVER_USED], text('no')));
  await refuse('EBADRQC', () =>
    sender.send([own, handle], {
      ...text('no'),
      transfers: [own, NEVER_USED],
      newNode: NewNode.Lasting,
    }),
  );
  await refuse('EMSGSIZE', () =>
    sender.send([own, handle], { ...text('no'), dataBytes: 3, newNode: NewNode.Lasting }),
  );
  const fat = { data: [new Uint8Array(60)], transfers: [own, own], newNode: NewNode.Lasting };
  await refuse('EDQUOT', () => sender.send([own, handle], fat));
  await refuse('EBADRQC', () => sender.release([own, handle, NEVER_USED]));
  await sender.send([handle], text('all is well'));
  await scene.sees(receiver, user(node, 'all is well'));
}
