import { afterEach, expect, test } from 'vitest';
import { asSeen, CREATE, nodeRelease } from '../conformance/scene.js';
import { MemberProcess } from './member-process.js';
import { ProcessConformanceDomain, type ProcessPeer } from './process-domain.js';

const MAXIMA = { objects: 2 ** 20, bytes: 2 ** 26, descriptors: 64 };
const CALLS = 500;

let processes: MemberProcess[] = [];

afterEach(async () => {
  for (const process of processes) await process.end('SIGKILL');
});

async function open(count: number, acquaintances?: readonly (readonly [number, number])[]) {
  processes = Array.from({ length: count }, () => new MemberProcess());
  const domain = await ProcessConformanceDomain.open(processes, MAXIMA, false, acquaintances);
  const peers: ProcessPeer[] = [];
  for (const home of processes.keys()) peers.push(await domain.openPeerIn(home));
  return { domain, peers };
}

async function handleTo(owner: ProcessPeer, holder: ProcessPeer): Promise<number> {
  return (await owner.transfer(holder, [CREATE])).target[0];
}

/** Blocking calls; returns how many were answered. The last one ends `serve`, if `stops`. */
async function call(caller: ProcessPeer, handle: number, times: number, stops = false) {
  return await caller.process.request<number>('call', { id: caller.id, handle, times, stops });
}

test('a thread that waits is woken by any of several processes', async () => {
  const { domain, peers } = await open(5);
  const [, service, ...callers] = peers;
  const handles: number[] = [];
  for (const caller of callers) handles.push(await handleTo(service, caller));
  await domain.settle();
  const served = service.process.request<{ waits: number; inVain: number }>('serve', {
    id: service.id,
  });
  for (const [i, caller] of callers.entries()) {
    expect(await call(caller, handles[i], CALLS)).toBe(CALLS);
  }
  const all = callers.map(async (caller, i) => await call(caller, handles[i], CALLS));
  expect(await Promise.all(all)).toEqual(callers.map(() => CALLS));
  await call(callers[0], handles[0], 1, true);
  const { waits, inVain } = await served;
  expect(inVain).toBeLessThan(waits / 4);
});

test('a thread that always finds something still lets itself be introduced', async () => {
  const { peers } = await open(4, [
    [1, 2],
    [2, 3],
  ]);
  const [, service, busy, newcomer] = peers;
  const ofBusy = await handleTo(service, busy);
  const ofNewcomer = await busy.transfer(newcomer, [{ flags: 0, id: ofBusy }]);
  const served = service.process.request('serve', { id: service.id });
  const endless = call(busy, ofBusy, 100 * CALLS);
  const meeting = call(newcomer, ofNewcomer.target[0], CALLS);
  const both = [meeting.then(() => 'newcomer'), endless.then(() => 'busy')];
  expect(await Promise.race(both)).toBe('newcomer');
  expect([await meeting, await endless]).toEqual([CALLS, 100 * CALLS]);
  await call(busy, ofBusy, 1, true);
  await served;
});

test('a thread that waits learns of the death of the process that it waits for', async () => {
  const { domain, peers } = await open(3);
  const [, waiting, dying] = peers;
  const handle = await handleTo(dying, waiting);
  await domain.settle();
  const result = waiting.process.request('wait', { id: waiting.id });
  await dying.process.end('SIGKILL');
  expect(await result).toBe('readable');
  expect(asSeen((await waiting.receive())!)).toEqual(nodeRelease(handle));
});
