import { expect } from 'vitest';
import type { ConformanceOutgoing, ConformancePeer } from './domain.js';
import { refused, text, user, type Row, type Scene } from './scene.js';

const MAXIMA = { objects: 1024, bytes: 1024, descriptors: 1024 };

/** C28, C29: what a sender may charge a receiver with. */
export const QUOTA_ROWS: readonly Row[] = [
  {
    id: 'C28',
    says: 'quota golden numbers of the KUnit case acct::basic, in objects, in bytes and one by one',
    maxima: MAXIMA,
    async run(scene) {
      await goldenNumbers(scene, 100, bytesOf);
      await goldenNumbers(scene, 200, objectsOf);
      await oneByOne(scene, 300);
    },
  },
  {
    id: 'C29',
    says: 'a sender over quota: EDQUOT, nothing visible; other users can still send',
    maxima: MAXIMA,
    async run(scene) {
      const [attacker, victim, other] = [
        await scene.peer(1),
        await scene.peer(2),
        await scene.peer(3),
      ];
      const fromAttacker = await scene.channel(victim, attacker);
      const toOther = await scene.channel(other, attacker);
      const fromOther = await scene.channel(victim, other);
      const fromSelf = await scene.channel(victim, victim);
      let accepted = 0;
      while (await isAccepted(() => attacker.send([fromAttacker.handle], text('x')))) accepted++;
      expect(accepted).toBe(128);
      const charged = await scene.domain.charged();
      await refused('EDQUOT', () =>
        attacker.send([toOther.handle, fromAttacker.handle], text('x')),
      );
      expect(await scene.domain.charged()).toBe(charged);
      await scene.sees(other);
      await other.send([fromOther.handle], text('other'));
      await victim.send([fromSelf.handle], text('self'));
      await attacker.send([toOther.handle], text('elsewhere'));
      await scene.sees(other, user(toOther.node, 'elsewhere'));
      await scene.sees(
        victim,
        ...Array.from({ length: accepted }, () => user(fromAttacker.node, 'x')),
        user(fromOther.node, 'other'),
        user(fromSelf.node, 'self'),
      );
      await attacker.send([fromAttacker.handle], text('again'));
    },
  },
];

/** A message that costs `amount` of one slot; of the other at most one. */
type Costing = (amount: number, filler: number) => ConformanceOutgoing;

const bytesOf: Costing = (amount) => ({ data: [new Uint8Array(amount)] });
/** the message is one object, every handle that it carries another */
const objectsOf: Costing = (amount, filler) => ({
  data: [],
  transfers: Array.from({ length: amount - 1 }, () => filler),
});

/** A sender to `receiver` with something to fill its messages. */
class Actor {
  private constructor(
    private readonly peer: ConformancePeer,
    private readonly handle: number,
    private readonly filler: number,
    private readonly costing: Costing,
  ) {}

  static async open(scene: Scene, receiver: ConformancePeer, uid: number, costing: Costing) {
    const peer = await scene.peer(uid);
    const { handle } = await scene.channel(receiver, peer);
    const { handle: filler } = await scene.channel(peer, peer);
    return new Actor(peer, handle, filler, costing);
  }

  async charge(amount: number): Promise<void> {
    await this.peer.send([this.handle], this.costing(amount, this.filler));
  }

  /** Asserts that `amount` is the most that can be charged now, and charges it. */
  async chargeAtMost(amount: number): Promise<void> {
    await refused('EDQUOT', () => this.charge(amount + 1));
    await this.charge(amount);
  }
}

/** The receiver's user is `uid`, the two foreign ones follow it; each case has a user of its own. */
async function goldenNumbers(scene: Scene, uid: number, costing: Costing): Promise<void> {
  const open = (receiver: ConformancePeer, of: number) => Actor.open(scene, receiver, of, costing);

  const reclaimed = await scene.peer(uid);
  const self = await open(reclaimed, uid);
  await self.charge(256);
  await self.charge(256);
  await refused('EDQUOT', () => self.charge(1));
  const foreign = await open(reclaimed, uid + 1);
  await refused('EDQUOT', () => foreign.charge(1));
  const { transfers } = await scene.message(reclaimed);
  await reclaimed.release(transfers);
  await self.charge(256);

  const shared = await scene.peer(uid + 10);
  await (await open(shared, uid + 10)).chargeAtMost(512);
  await (await open(shared, uid + 10)).chargeAtMost(256);

  const visited = await scene.peer(uid + 20);
  await (await open(visited, uid + 21)).chargeAtMost(128);
  await (await open(visited, uid + 21)).chargeAtMost(64);
  await (await open(visited, uid + 22)).chargeAtMost(42);
  await (await open(visited, uid + 22)).chargeAtMost(21);
}

/** Many small charges come to the same as one large one; what is taken out can be charged again. */
async function oneByOne(scene: Scene, uid: number): Promise<void> {
  const receiver = await scene.peer(uid);
  for (const [claimant, most] of [
    [uid + 1, 128],
    [uid + 1, 64],
    [uid + 2, 42],
    [uid + 2, 21],
  ]) {
    const actor = await Actor.open(scene, receiver, claimant, bytesOf);
    for (let i = 0; i < most; i++) await actor.charge(1);
    await refused('EDQUOT', () => actor.charge(1));
  }
  expect(await scene.drain(receiver)).toHaveLength(128 + 64 + 42 + 21);
  const again = await Actor.open(scene, receiver, uid + 3, bytesOf);
  await again.chargeAtMost(128);
}

async function isAccepted(operation: () => unknown): Promise<boolean> {
  try {
    await operation();
    return true;
  } catch {
    return false;
  }
}
