import { afterEach, expect, test } from 'vitest';
import { asSeen, nodeRelease, handleRelease, text, user } from '../conformance/scene.js';
import type { ProcessPeer } from './process-domain.js';
import {
  channel,
  endScene,
  handleOf,
  nextOf,
  openScene,
  releaseHere,
  resourcesOf,
  type ProcessScene,
} from './process-scene.js';

const OUT_OF_DESCRIPTORS = 'this process has run out of descriptors';
/** Of the five that come with a channel. */
const ROOM_FOR = [0, 1, 4];

let scene: ProcessScene;

afterEach(async () => await endScene(scene));

async function open() {
  scene = await openScene(5, [
    [1, 2],
    [1, 3],
    [1, 4],
  ]);
  const [, giver, taker, owner, newcomer] = scene.peers;
  return { giver, taker, owner, newcomer };
}

async function limit({ process }: ProcessPeer, free?: number): Promise<void> {
  await process.request('limitDescriptors', { free });
}

async function diagnosticsOf({ process }: ProcessPeer): Promise<string[]> {
  return (await process.request<{ diagnostics: string[] }>('state')).diagnostics;
}

/** The giver gives `taker` a handle to a new node of `owner`; returns the node and that handle, if it could be used. */
async function give(giver: ProcessPeer, taker: ProcessPeer, owner: ProcessPeer) {
  const toTaker = await channel(taker, giver);
  const { node, handle } = await channel(owner, giver);
  await giver.send([toTaker.handle], { ...text('take this'), transfers: [handle] });
  await releaseHere(giver, handle);
  await releaseHere(giver, toTaker.handle);
  return { node, given: await handleOf(taker), toTaker };
}

/** Who has no room for the channel, and what each of the two says then. Processes are numbered from 1. */
const CASES = ROOM_FOR.flatMap((free) => [
  {
    short: 'the owner',
    free,
    ownerSays: [`no introduction to process 3: ${OUT_OF_DESCRIPTORS}`],
    takerSays: ['no introduction to process 4: that process has no room for a channel'],
  },
  {
    short: 'the taker',
    free,
    ownerSays: [],
    takerSays: [`no introduction to process 4: ${OUT_OF_DESCRIPTORS}`],
  },
]);

test.each(CASES)(
  '$short has room for $free descriptors: only that introduction fails',
  async ({ short, free, ownerSays, takerSays }) => {
    const { giver, taker, owner, newcomer } = await open();
    const before = await resourcesOf(owner);
    const shortOne = short === 'the owner' ? owner : taker;
    await limit(shortOne, free);
    const { node, given, toTaker } = await give(giver, taker, owner);
    const told = [asSeen(await nextOf(taker)), asSeen(await nextOf(taker))];
    expect(told).toContainEqual(nodeRelease(given));
    expect(told).toContainEqual(handleRelease(toTaker.node));
    expect(asSeen(await nextOf(owner))).toEqual(handleRelease(node));
    await limit(shortOne);
    expect(await resourcesOf(owner)).toEqual(before);
    expect(await diagnosticsOf(owner)).toEqual(ownerSays);
    expect(await diagnosticsOf(taker)).toEqual(takerSays);

    const established = await channel(shortOne, giver);
    await giver.send([established.handle], text('we still talk'));
    expect(asSeen(await nextOf(shortOne))).toEqual(user(established.node, 'we still talk'));
    const introduced = await give(giver, newcomer, shortOne);
    await newcomer.send([introduced.given], text('and so do we'));
    expect(asSeen(await nextOf(shortOne))).toEqual(user(introduced.node, 'and so do we'));
  },
);
