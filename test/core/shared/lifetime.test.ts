import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { ReceivedType } from '#core/index.js';
import type { ConformancePeer, ConformanceReceived } from '../conformance/domain.js';
import { MemberProcess } from './member-process.js';
import { ProcessConformanceDomain } from './process-domain.js';
import { Caller, Service } from './service.js';

const CALLS = 100;
const MAXIMA = { objects: 2 ** 20, bytes: 2 ** 26, descriptors: 64 };

describe('a member that is killed', () => {
  let service: Service;

  afterEach(() => service.close());

  test('everything that it held or owned is released, once; nothing is left of it', async () => {
    service = new Service();
    const bystander = await Caller.start(service);
    expect(await bystander.call(10)).toEqual({ answered: 10, lost: false });
    const before = service.resources();
    service.keepsHandles = true;
    for (let round = 0; round < 3; round++) {
      const victim = service.fork('caller.mjs', service.path);
      await once(victim, 'message');
      victim.send(1); // its call is never answered: the service keeps the handle to its reply node
      await service.until(() => service.kept.length > 0);
      const ended = once(victim, 'exit');
      victim.kill('SIGKILL');
      await ended;
      await service.until(() => service.notifications.length > 0);
      expect(service.notifications.splice(0)).toEqual([ReceivedType.NodeRelease]);
      expect(service.kept.splice(0).map(({ live }) => live)).toEqual([false]);
      await service.until(() => service.authority.memberCount === 2);
      expect(service.resources()).toEqual(before);
    }
    service.keepsHandles = false;
    expect(await bystander.call(10)).toEqual({ answered: 10, lost: false });
    expect(service.diagnostics).toEqual([]);
    await bystander.end();
  });

  test('one that does not read is sent what its quota allows, and all of it arrives', async () => {
    service = new Service();
    const caller = await Caller.start(service, 'inbox');
    service.keepsHandles = true;
    caller.child.send(1);
    await service.until(() => service.kept.length > 0);
    const [inbox, reply] = service.kept.splice(0);
    caller.child.kill('SIGSTOP');
    const accepted = service.flood(inbox);
    expect(accepted).toBeGreaterThan(500); // 4 KiB each: more than the ring that they began in can hold
    expect(service.domain.counters).toMatchObject({ entriesWaiting: 0, channelsBroken: 0 });
    caller.child.kill('SIGCONT');
    expect((await once(caller.child, 'message'))[0]).toEqual({ answered: 1, lost: false });
    caller.child.send(-(accepted - 1)); // the first was taken for the answer
    expect((await once(caller.child, 'message'))[0]).toMatchObject({ answered: accepted - 1 });
    service.peer.release(inbox, reply);
    await caller.end();
    await service.until(() => service.domain.counters.channels === 0);
    expect(service.diagnostics).toEqual([]);
  });
});

describe('the process of the authority', () => {
  test('stopped: those who have been introduced go on, and all goes on when it does', async () => {
    const scene = await openScene();
    scene.processes[0].child.kill('SIGSTOP');
    expect(await converse(scene)).toBe(CALLS);
    scene.processes[0].child.kill('SIGCONT');
    await scene.domain.settle();
    await scene.domain.close();
    await scene.domain.leave();
    for (const process of scene.processes) await process.end();
  });

  test('killed: those who have been introduced go on, its nodes are gone', async () => {
    const scene = await openScene();
    await scene.processes[0].end('SIGKILL');
    expect(await converse(scene)).toBe(CALLS);
    expect(await nextOf(scene.sender)).toEqual({
      type: ReceivedType.NodeRelease,
      id: scene.ofAuthority,
    });
    const state = await scene.processes[1].request<{ diagnostics: string[] }>('state');
    expect(state.diagnostics).toEqual([
      'the authority is gone: there will be no new introductions',
    ]);
    for (const process of scene.processes) await process.end('SIGKILL');
  });
});

/** Peers in three processes: the sender, in the second, holds a handle to the receiver and one to the first. */
async function openScene() {
  const processes = [0, 1, 2].map(() => new MemberProcess());
  const domain = await ProcessConformanceDomain.open(processes, MAXIMA, false);
  const first = await domain.openPeer();
  const sender = await domain.openPeer();
  const receiver = await domain.openPeer();
  const { source, target } = await receiver.transfer(sender, [{ flags: 1, id: -1 }]);
  const held = await first.transfer(sender, [{ flags: 1, id: -1 }]);
  await domain.settle();
  const [node] = source;
  const [handle] = target;
  return { processes, domain, sender, receiver, node, handle, ofAuthority: held.target[0] };
}

/** How many messages have arrived as they were sent. */
async function converse(scene: Awaited<ReturnType<typeof openScene>>): Promise<number> {
  let arrived = 0;
  for (let i = 0; i < CALLS; i++) {
    await scene.sender.send([scene.handle], { data: [Uint8Array.of(i)] });
    const next = await nextOf(scene.receiver);
    if (next.type === 0 && next.id === scene.node && 'data' in next && next.data[0] === i)
      arrived++;
  }
  return arrived;
}

async function nextOf(peer: ConformancePeer): Promise<ConformanceReceived> {
  for (;;) {
    const next = await peer.receive();
    if (next !== undefined) return next;
  }
}

test('idle: no process of the domain wakes up', { retry: 2 }, async () => {
  const processes = [0, 1, 2].map(() => new MemberProcess());
  const domain = await ProcessConformanceDomain.open(processes, MAXIMA, false);
  await domain.settle();
  const wakeups = async () =>
    await Promise.all(processes.map(async (process) => await process.request<number>('wakeups')));
  const idleFor = async (ms: number) => {
    const before = await wakeups();
    await new Promise((resolve) => setTimeout(resolve, ms));
    const after = await wakeups();
    return after.map((count, i) => count - before[i]);
  };
  await idleFor(200);
  // The requests themselves wake a process, once or a few times; a second of idling adds nothing to that.
  const alone = Math.max(...(await idleFor(0)));
  for (const count of await idleFor(1000)) expect(count).toBeLessThanOrEqual(alone + 3);
  for (const process of processes) await process.end('SIGKILL');
});
