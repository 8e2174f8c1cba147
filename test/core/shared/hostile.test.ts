import type { ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { Caller, Service } from './service.js';

/** What the process does, and what the one diagnostic about it says. */
const ATTACKS: readonly (readonly [attack: string, says: RegExp])[] = [
  ['random head', /head \d+ is out of range/],
  ['random entries', /an (?:invalid )?entry of/],
  ['entry longer than the ring', /an entry of 2147483640 bytes/],
  ['entry of no length', /an entry of 0 bytes/],
  ['unaligned entry', /an entry of 61 bytes/],
  ['unknown type', /type 99/],
  ['stamp that is no number', /an invalid stamp of NaN/],
  ['message longer than its entry', /1000 bytes in an entry of 64/],
  ['message of 4 GiB', /4294967295 bytes in an entry/],
  ['a billion handles', /1073741824 handles/],
  ['invented target', /it holds no handle 12345/],
  ['account of somebody else', /on behalf of uid 65534/],
  ['descriptors that were not sent', /3 descriptors were announced, not sent/],
  ['segment that was not sent', /segment 5/],
  ['segment that can shrink', /segment 5/],
  ['segment that is too short', /segment 5/],
  ['handle of no kind', /a handle of the invalid kind 77/],
  ['handle that the receiver never gave', /it holds no handle 4242/],
  ['node of the receiver as that of a third', /under a wrong process ID/],
  ['release twice', /it holds no handle 4294967295/],
  ['release of more than there is', /it released 9 references to a node, but held 1$/m],
  ['credit that is not due', /a credit for the unknown trace 1/],
  ['more than its quota', /more than its share/],
  ['garbage for the authority', /type 99|expelled/],
  ['unexpected descriptors', /1 descriptors were announced, not sent/],
  ['words flipped while they are read', /channel to process/],
  ['tail that runs away', /type 99/],
  ['claim cut at the end of the ring', /an invalid entry of type 5 and 24 bytes/],
  ['larger ring of no size', /a larger ring of 12345 bytes/],
  ['message cut short', /an invalid entry of type 1 and 32 bytes/],
  ['release cut short', /an invalid entry of type 3 and 24 bytes/],
  ['grant cut short', /an invalid entry of type 4 and 32 bytes/],
  ['credit cut short', /an invalid entry of type 6 and 40 bytes/],
  ['window cut short', /an invalid entry of type 7 and 48 bytes/],
  ['switch too long', /an invalid entry of type 9 and 40 bytes/],
  ['credit of nothing', /a credit/],
  ['more questions than answers', /entries that have no effect/],
  ['claims without end of what nobody has granted', /claims more than 4096 grants that do not/],
  [
    'claims without end of what it has granted to itself',
    /holds more than 65536 handles from third/,
  ],
  ['processes that never existed', /processes that never existed/],
];

/** What is no fault of the one who does it, as far as anybody can tell. */
const HARMLESS = [
  'questions for room without end',
  'claim of what nobody has granted',
  'node of a third process that was never granted',
  'doorbell that is jammed',
] as const;

const CALLS = 50;

describe('a process that breaks the rules of the shared domain', () => {
  let service: Service;
  let bystander: Caller;

  beforeEach(async () => {
    service = new Service();
    bystander = await Caller.start(service);
    const { lost } = await bystander.call(CALLS);
    if (lost) throw new Error('the service does not answer');
  });

  afterEach(async () => {
    await bystander.end();
    service.close();
  });

  /** It ends with the test, also if that fails: the next one counts who is there. */
  function start(attack: string, seed: string): ChildProcess {
    const hostile = service.fork('hostile.mjs', attack, service.path, seed);
    onTestFinished(() => void hostile.kill('SIGKILL'));
    return hostile;
  }

  test.each(ATTACKS)('%s: its channel is closed, nothing else', async (attack, says) => {
    const seed = String(process.env['HOSTILE_SEED'] ?? randomInt(2 ** 32));
    process.stdout.write(`${attack}: HOSTILE_SEED=${seed}\n`);
    const before = service.resources();
    service.diagnostics.length = 0;
    const hostile = start(attack, seed);
    await service.until(() => service.diagnostics.length > 0);
    expect(service.diagnostics.join('\n')).toMatch(says);
    expect(await bystander.call(CALLS)).toEqual({ answered: CALLS, lost: false });
    const ended = once(hostile, 'exit');
    hostile.kill('SIGKILL');
    await ended;
    await service.until(() => service.authority.memberCount === 2);
    const aboutChannel = service.diagnostics.filter((text) => text.startsWith('channel to'));
    expect(aboutChannel.length).toBeLessThanOrEqual(1);
    await service.until(() => service.local.chargedTo([service.user]) === before.charged);
    await service.until(() => service.domain.counters.channels === before.channels);
    expect(service.resources()).toEqual(before);
  });

  test.each(HARMLESS)('%s: a handle without a node at most, nothing else', async (attack) => {
    const before = service.resources();
    service.diagnostics.length = 0;
    const hostile = start(attack, '1');
    await once(hostile, 'message');
    expect(await bystander.call(CALLS)).toEqual({ answered: CALLS, lost: false });
    const ended = once(hostile, 'exit');
    hostile.kill('SIGKILL');
    await ended;
    await service.until(() => service.authority.memberCount === 2);
    await service.until(() => service.local.chargedTo([service.user]) === before.charged);
    await service.until(() => service.domain.counters.channels === before.channels);
    const { peersWithLinks, ...after } = service.resources();
    expect(before).toMatchObject(after);
    expect(peersWithLinks).toBeLessThanOrEqual(before.peersWithLinks + 1); // for a user named here first
    expect(service.diagnostics).toEqual([]);
  });

  test('nodes of ever more users of a third process: what stands for them is given back', async () => {
    const before = service.resources();
    const rounds = 8;
    for (let round = 1; round <= rounds; round++) {
      const hostile = start('nodes of many users', `${round}`);
      await once(hostile, 'message');
      const ended = once(hostile, 'exit');
      hostile.kill('SIGKILL');
      await ended;
      await service.until(() => service.authority.memberCount === 2);
      expect(await bystander.call(CALLS)).toEqual({ answered: CALLS, lost: false });
    }
    const { peersWithLinks } = service.resources();
    /* looked for when they have doubled in number, those that are still in use included */
    expect(peersWithLinks).toBeLessThan(before.peersWithLinks + (rounds - 3) * 300);
  });

  test('claims of two processes of a uid count together, until one of the two has gone', async () => {
    const attack = 'as many claims as two may not have';
    service.diagnostics.length = 0;
    const first = start(attack, '1');
    await once(first, 'message');
    expect(await bystander.call(CALLS)).toEqual({ answered: CALLS, lost: false });
    expect(service.diagnostics).toEqual([]);
    const second = start(attack, '2');
    await service.until(() => service.diagnostics.length > 0);
    expect(service.diagnostics.join('\n')).toMatch(
      /its uid claims more than 4096 grants that do not/,
    );
    for (const one of [first, second]) {
      const ended = once(one, 'exit');
      one.kill('SIGKILL');
      await ended;
    }
    await service.until(() => service.authority.memberCount === 2);
    service.diagnostics.length = 0;
    await once(start(attack, '3'), 'message');
    expect(await bystander.call(CALLS)).toEqual({ answered: CALLS, lost: false });
    expect(service.diagnostics).toEqual([]);
  });

  test('death in the middle of a transaction: nothing of it is seen, no rule was broken', async () => {
    const before = service.resources();
    service.diagnostics.length = 0;
    const attack = 'death in the middle of a transaction';
    const hostile = start(attack, '1');
    await once(hostile, 'exit');
    await service.until(() => service.authority.memberCount === 2);
    expect(service.diagnostics).toEqual([]);
    expect(service.resources()).toEqual(before);
    expect(await bystander.call(CALLS)).toEqual({ answered: CALLS, lost: false });
  });
});
