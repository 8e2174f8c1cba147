// A queue among whose entries many become void: what is received is what a list has that is searched for each release.
import { expect, test } from 'vitest';
import { CLOSED_SINK, LocalDomain, ReceivedType, ResourceUser, type Node } from '#core/index.js';
import { Queue } from '#core/queue.js';
import { seededRandom } from './random.js';

const OPERATIONS = 50_000;
const NODES = 40;

test('void entries are skipped, wherever they are and however many', () => {
  const random = seededRandom('QUEUE_SEED', 'void entries of a queue');
  const user = new ResourceUser(0, { objects: 1e6, bytes: 1e6, descriptors: 1e3 });
  const peer = new LocalDomain().openPeer({ user, sink: CLOSED_SINK });
  const nodes = Array.from({ length: NODES }, () => peer.createNode().node);
  const queue = new Queue();
  let expected: Node[] = [];
  const faults: string[] = [];
  let voidMax = 0;
  let voids = 0;
  for (let i = 0; i < OPERATIONS; i++) {
    const node = random.pick(nodes);
    /* phases in which more comes than is received, so that thousands wait */
    const isFlood = (i >> 12) % 2 === 0;
    if (random.chance(isFlood ? 0.9 : 0.3)) {
      queue.handleReleased(node);
      expected.push(node);
    } else if (random.chance(0.1)) {
      const purged = queue.purge(node);
      const found = expected.filter((each) => each === node);
      if (purged.length !== found.length) faults.push(`${i}: purged ${purged.length}`);
      expected = expected.filter((each) => each !== node);
      voids += purged.length;
      voidMax = Math.max(voidMax, purged.length);
    } else {
      const entry = queue.first();
      queue.shift();
      const node = entry?.type === ReceivedType.HandleRelease ? entry.node : undefined;
      if (node !== expected.shift()) faults.push(`${i}: received another one`);
    }
    if (queue.length !== expected.length) faults.push(`${i}: ${queue.length} wait`);
  }
  expect(faults).toEqual([]);
  expect(voidMax).toBeGreaterThan(64);
  expect(voids).toBeGreaterThan(1000);
  const left = queue.drain().map((entry) => ('node' in entry ? entry.node : undefined));
  expect(left).toEqual(expected);
  expect(queue.length).toBe(0);
});

test('a peer that receives nothing keeps no void entries', () => {
  const user = new ResourceUser(0, { objects: 1e6, bytes: 1e6, descriptors: 1e3 });
  const peer = new LocalDomain().openPeer({ user, sink: CLOSED_SINK });
  const queue = new Queue();
  const { node: kept } = peer.createNode();
  queue.handleReleased(kept);
  for (let i = 0; i < 10_000; i++) {
    const { node } = peer.createNode();
    queue.handleReleased(node);
    queue.purge(node);
  }
  expect(Reflect.get(queue, 'entries')).toHaveLength(1 + Reflect.get(queue, 'voidCount'));
  expect(Reflect.get(queue, 'voidCount')).toBeLessThanOrEqual(65);
  expect(queue.length).toBe(1);
});
