import { afterEach, expect, test } from 'vitest';
import { asSeen, handleRelease, text, user } from '../conformance/scene.js';
import type { MemberProcess } from './member-process.js';
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

/** Processes that come and go, one after the other. */
const VISITORS = 8;
const FIRST_VISITOR = 3;

let scene: ProcessScene;

afterEach(async () => await endScene(scene));

/** A visitor is to learn of the host's node from the guide; both know the guide, and not each other. */
async function open() {
  const visitors = Array.from({ length: VISITORS }, (_, i) => FIRST_VISITOR + i);
  const known = visitors.map((visitor) => [1, visitor] as const);
  scene = await openScene(FIRST_VISITOR + VISITORS, [[1, 2], ...known]);
  const [registrar, guide, host, ...guests] = scene.peers;
  return { registrar, guide, host, guests };
}

/** Gives `visitor` a handle to a new node of the host, of which the guide keeps none. */
async function direct(guide: ProcessPeer, visitor: ProcessPeer, host: ProcessPeer) {
  const toVisitor = await channel(visitor, guide);
  const { node, handle } = await channel(host, guide);
  return {
    node,
    give: async () => {
      await guide.send([toVisitor.handle], { ...text('go there'), transfers: [handle] });
      await releaseHere(guide, handle);
      await releaseHere(guide, toVisitor.handle);
    },
  };
}

const stop = ({ child }: MemberProcess) => void child.kill('SIGSTOP');
const proceed = ({ child }: MemberProcess) => void child.kill('SIGCONT');
const pump = async ({ process }: ProcessPeer) => void (await process.request('pump'));

/** The authority is stopped until the visitor, who is stopped then, has asked for the introduction. */
async function askAndStop(registrar: ProcessPeer, visitor: ProcessPeer, give: () => Promise<void>) {
  stop(registrar.process);
  await give();
  await pump(visitor);
  stop(visitor.process);
  proceed(registrar.process);
  await pump(registrar);
}

/** Until the host has nothing of visitors: their end is told it by the authority, and by their sockets. */
async function untilAsBefore(host: ProcessPeer, before: Record<string, number>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const now = await resourcesOf(host);
    if (Object.keys(before).every((key) => now[key] === before[key])) return;
  }
  expect(await resourcesOf(host)).toEqual(before);
}

test('the first message of a process that leaves at once is delivered, whenever its end is noticed', async () => {
  const { registrar, guide, host, guests } = await open();
  const before = await resourcesOf(host);
  for (const visitor of guests) {
    const { node, give } = await direct(guide, visitor, host);
    await askAndStop(registrar, visitor, give);
    await pump(host); // looks at the channel from now on
    stop(host.process);
    await pump(registrar); // hands it to the visitor
    proceed(visitor.process);
    await visitor.send([await handleOf(visitor)], text('last words'));
    await visitor.process.end('SIGKILL');
    await pump(registrar); // tells everybody that it is gone
    proceed(host.process);
    expect(asSeen(await nextOf(host))).toEqual(user(node, 'last words'));
    expect(asSeen(await nextOf(host))).toEqual(handleRelease(node));
    await untilAsBefore(host, before);
  }
});

/** When a visitor that has claimed nothing is killed. */
const ENDS: readonly (readonly [string, (scene: Departure) => Promise<void>])[] = [
  [
    'before it asks for a channel',
    async ({ visitor, give }) => {
      stop(visitor.process);
      await give();
    },
  ],
  [
    'before the host has been told of the channel',
    async ({ registrar, host, visitor, give }) => {
      stop(host.process);
      await askAndStop(registrar, visitor, give);
    },
  ],
  [
    'when the host has the channel',
    async ({ registrar, host, visitor, give }) => {
      await askAndStop(registrar, visitor, give);
      await pump(host);
    },
  ],
  [
    'when it could have the channel, too',
    async ({ registrar, host, visitor, give }) => {
      await askAndStop(registrar, visitor, give);
      await pump(host);
      await pump(registrar);
    },
  ],
];

interface Departure {
  readonly registrar: ProcessPeer;
  readonly host: ProcessPeer;
  readonly visitor: ProcessPeer;
  readonly give: () => Promise<void>;
}

test.each(ENDS)('killed %s: what it was granted is released', async (_, approach) => {
  const { registrar, guide, host, guests } = await open();
  const before = await resourcesOf(host);
  for (const visitor of guests) {
    const { node, give } = await direct(guide, visitor, host);
    await approach({ registrar, host, visitor, give });
    await visitor.process.end('SIGKILL');
    await pump(registrar);
    proceed(host.process);
    expect(asSeen(await nextOf(host))).toEqual(handleRelease(node));
    await untilAsBefore(host, before);
  }
  const { diagnostics } = await host.process.request<{ diagnostics: string[] }>('state');
  expect(diagnostics).toEqual([]);
});

test('without the authority what was granted to a process that has left is released, too', async () => {
  const { registrar, guide, host, guests } = await open();
  const [visitor, stranger] = guests;
  const claimed = await direct(guide, visitor, host);
  await claimed.give();
  await visitor.send([await handleOf(visitor)], text('we have met'));
  expect(asSeen(await nextOf(host))).toEqual(user(claimed.node, 'we have met'));
  const toFriend = await direct(guide, visitor, host);
  const toStranger = await direct(guide, stranger, host);
  stop(visitor.process);
  stop(stranger.process);
  await toFriend.give();
  await toStranger.give();
  await pump(host);
  await registrar.process.end('SIGKILL');
  expect(asSeen(await nextOf(host))).toEqual(handleRelease(toStranger.node));
  await visitor.process.end('SIGKILL');
  const ends = [asSeen(await nextOf(host)), asSeen(await nextOf(host))];
  expect(ends).toContainEqual(handleRelease(claimed.node));
  expect(ends).toContainEqual(handleRelease(toFriend.node));
});
