import { afterEach, beforeEach, expect, test } from 'vitest';
import { NewNode } from '#core/index.js';
import { HANDLES_MAX } from '#core/shared/layout.js';
import type { ConformanceReceived } from '../conformance/domain.js';
import { asSeen, CREATE, handleRelease, text, user } from '../conformance/scene.js';
import { MemberProcess } from './member-process.js';
import { ProcessConformanceDomain, type ProcessPeer } from './process-domain.js';

const MAXIMA = { objects: 2 ** 20, bytes: 2 ** 26, descriptors: 2 ** 12 };

let processes: MemberProcess[];
let domain: ProcessConformanceDomain;
let sender: ProcessPeer;
let receiver: ProcessPeer;
let node: number;
let handle: number;

beforeEach(async () => {
  processes = [0, 1, 2].map(() => new MemberProcess());
  domain = await ProcessConformanceDomain.open(processes, MAXIMA, false);
  sender = await domain.openPeerIn(1);
  receiver = await domain.openPeerIn(2);
  const { source, target } = await receiver.transfer(sender, [CREATE]);
  [node] = source;
  [handle] = target;
  await domain.settle();
});

afterEach(async () => {
  await domain.close();
  await domain.leave();
  for (const process of processes) await process.end();
});

async function nextOf(peer: ProcessPeer): Promise<ConformanceReceived> {
  for (;;) {
    const next = await peer.receive();
    if (next !== undefined) return next;
  }
}

async function entriesWaiting(): Promise<number> {
  const counters = await processes[1].request<{ entriesWaiting: number }>('counters');
  return counters.entriesWaiting;
}

test('the socket for descriptors is full: all arrive, in order, once the receiver goes on', async () => {
  processes[2].child.kill('SIGSTOP');
  let sent = 0;
  const send = async (with_: object) => {
    await sender.send([handle], { ...text(`${sent}`), ...with_ });
    sent++;
  };
  while ((await entriesWaiting()) === 0) await send({ descriptors: [domain.token()] });
  const large = { data: [new TextEncoder().encode(`${sent}`), new Uint8Array(100_000)] };
  await send({ ...large, descriptors: [domain.token(), domain.token()] });
  await send({});
  processes[2].child.kill('SIGCONT');
  for (let i = 0; i < sent; i++) {
    const next = await nextOf(receiver);
    if (!('descriptors' in next)) throw new Error('not a message');
    const isLarge = i === sent - 2;
    expect(new TextDecoder().decode(next.data).replace(/\0+$/, '')).toBe(`${i}`);
    expect(next.data.length).toBe(isLarge ? `${i}`.length + 100_000 : `${i}`.length);
    expect(next.descriptors?.count ?? 0).toBe(i === sent - 1 ? 0 : isLarge ? 2 : 1);
    await next.descriptors?.drop();
  }
  expect(await domain.descriptors()).toEqual({ open: 0, closedTwice: 0 });
});

test('a receiver in another process that takes no more: the call ends as if it had been dropped', async () => {
  await processes[2].request('setFull', { id: receiver.id, isFull: true });
  const reply = await sender.send([handle], { ...text('call'), newNode: NewNode.OneShot });
  expect(asSeen(await nextOf(sender))).toEqual(handleRelease(reply));
  expect(await receiver.receive()).toBeUndefined();
  await processes[2].request('setFull', { id: receiver.id, isFull: false });
  await sender.send([handle], text('again'));
  expect(asSeen(await nextOf(receiver))).toEqual(user(node, 'again'));
  expect(await domain.charged()).toBe(0);
});

test('a message carries so many handles to another process, and is refused with more', async () => {
  const withHandles = (count: number) => ({
    ...text('handles'),
    transfers: Array<number>(count).fill(handle),
  });
  await expect(sender.send([handle], withHandles(HANDLES_MAX + 1))).rejects.toThrow('EDQUOT');
  await sender.send([handle], withHandles(HANDLES_MAX));
  const next = await nextOf(receiver);
  expect('transfers' in next ? next.transfers.length : 0).toBe(HANDLES_MAX);
});
