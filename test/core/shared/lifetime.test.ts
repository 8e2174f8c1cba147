import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { Message, NewNode, ReceivedType, SendStatus } from '#core/index.js';
import { MemberProcess } from './member-process.js';
import { ProcessConformanceDomain } from './process-domain.js';
import { Caller, Service } from './service.js';

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

  test('one that does not read is sent what its quota allows; what was accepted arrives', async () => {
    service = new Service();
    const caller = await Caller.start(service);
    service.keepsHandles = true;
    caller.child.send(1);
    await service.until(() => service.kept.length > 0);
    const [reply] = service.kept.splice(0);
    const flood = new Message();
    flood.addPiece(new Uint8Array(4096), 0, 4096);
    flood.newNode = NewNode.Lasting;
    caller.child.kill('SIGSTOP');
    const { handle } = service.peer.createNode();
    flood.addTransfer(handle);
    expect(service.peer.send(reply, flood)).toBe(SendStatus.Sent);
    expect(service.domain.counters.channels).toBe(1);
    caller.child.kill('SIGCONT');
    const [answer] = (await once(caller.child, 'message')) as [{ answered: number }];
    expect(answer.answered).toBe(1);
    await caller.end();
    await service.until(() => service.domain.counters.channels === 0);
    expect(handle.live).toBe(true);
  });
});

describe('the process of the authority', () => {
  test.each(['SIGSTOP', 'SIGKILL'] as const)(
    '%s: those who have been introduced go on',
    async (signal) => {
      const processes = [0, 1, 2].map(() => new MemberProcess());
      const domain = await ProcessConformanceDomain.open(processes, MAXIMA, false);
      const peers = [];
      for (let i = 0; i < 3; i++) peers.push(await domain.openPeer());
      const [ofAuthority, sender, receiver] = peers;
      const { source, target } = await receiver.transfer(sender, [{ flags: 1, id: -1 }]);
      const held = await ofAuthority.transfer(sender, [{ flags: 1, id: -1 }]);
      await domain.settle();
      const ended = signal === 'SIGKILL' ? once(processes[0].child, 'exit') : undefined;
      processes[0].child.kill(signal);
      await ended;
      for (let i = 0; i < 100; i++) {
        await sender.send(target, { data: [Uint8Array.of(i)] });
        let next = await receiver.receive();
        while (next === undefined) next = await receiver.receive();
        expect(next).toMatchObject({ type: 0, id: source[0], data: Uint8Array.of(i) });
      }
      if (signal === 'SIGKILL') {
        let next = await sender.receive();
        while (next === undefined) next = await sender.receive();
        expect(next).toEqual({ type: ReceivedType.NodeRelease, id: held.target[0] });
        const { diagnostics } = await processes[1].request<{ diagnostics: string[] }>('state');
        expect(diagnostics).toEqual(['the authority is gone: there will be no new introductions']);
      } else {
        processes[0].child.kill('SIGCONT');
        await domain.settle();
        await domain.close();
      }
      for (const process of processes) await process.end('SIGKILL');
    },
  );
});

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
