import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { LocalDomain } from '#core/index.js';
import {
  closeFd,
  duplicate,
  getOpenFilesLimit,
  setOpenFilesLimit,
  socketPair,
  watchReadable,
} from '#core/linux/index.js';
import { Authority, SharedDomain, type AuthorityOptions } from '#core/shared/index.js';
import { RawMember } from '../../fuzz/raw-member.js';

const CLIENTS = 10;

test('an authority without descriptors sleeps, and accepts again when somebody has left', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'authority-'));
  const path = join(directory, 'authority');
  const child = fork(fileURLToPath(new URL('crowded-authority.mjs', import.meta.url)), [path]);
  await once(child, 'message');
  const clients = Array.from({ length: CLIENTS }, () => connect(path));
  for (const client of clients) client.on('error', () => {});
  const [first] = (await once(child, 'message')) as [Record<string, unknown>];
  expect(first).toMatchObject({
    diagnostics: ['no new members are accepted for now: EMFILE'],
    isAwake: false,
  });
  expect(first['accepted']).toBeGreaterThan(0);
  expect(first['accepted']).toBeLessThan(CLIENTS);
  child.send('one leaves');
  clients[0].destroy();
  const [second] = (await once(child, 'message')) as [Record<string, unknown>];
  expect(second).toEqual({ hasRoom: true, accepted: first['accepted'] });
  for (const client of clients) client.destroy();
  rmSync(directory, { recursive: true });
});

/** An authority in this process, and what it says. */
function openAuthority(options: AuthorityOptions) {
  const directory = mkdtempSync(join(tmpdir(), 'authority-'));
  const path = join(directory, 'authority');
  const diagnostics: string[] = [];
  const authority = new Authority({
    ...options,
    onDiagnostic: (text) => void diagnostics.push(text),
  });
  authority.listen(path);
  const watch = watchReadable(authority.fd, () => authority.dispatch());
  const close = () => {
    watch.close();
    authority.close();
    rmSync(directory, { recursive: true });
  };
  return { authority, path, diagnostics, close };
}

test('a process that may not join is told so by the end of the connection, and named', async () => {
  const asked: unknown[] = [];
  const { path, diagnostics, close } = openAuthority({
    mayJoin: (applicant) => {
      asked.push(applicant);
      return 'not today';
    },
  });
  const client = connect(path);
  await once(client, 'close');
  expect(asked).toMatchObject([
    { uid: process.getuid!(), pid: process.pid, gid: process.getgid!() },
  ]);
  expect(diagnostics).toEqual([
    expect.stringMatching(/^a process \(pid \d+, uid \d+, .*node.*\) was not admitted: not today$/),
  ]);
  close();
});

test('processes that never say hello keep nobody out, and are named a few times', async () => {
  const { authority, path, diagnostics, close } = openAuthority({});
  const silent = Array.from({ length: 60 }, () => connect(path));
  const closed = silent.map(async (client) => await once(client, 'close'));
  for (const client of silent) client.on('error', () => {});
  await Promise.all(silent.map(async (client) => await once(client, 'connect')));
  const maxima = { objects: 64, bytes: 4096, descriptors: 4 };
  const domain = SharedDomain.join(path, { local: new LocalDomain(), maxima });
  while (!domain.isReady) {
    authority.dispatch();
    domain.dispatch();
  }
  expect(authority.memberCount).toBe(1);
  await Promise.all(closed.slice(0, 60 - 32));
  expect(diagnostics.length).toBeLessThanOrEqual(10);
  expect(diagnostics[0]).toMatch(
    /uid \d+, .*\) was expelled: too many processes had sent no hello/,
  );
  for (const client of silent) client.destroy();
  domain.close();
  close();
});

test('a process that is not introduced to the one with the root gives up at once, and knows why', () => {
  const { authority, path, close } = openAuthority({ channelsPerMemberMax: 0 });
  const [ours, theirs] = socketPair();
  authority.admit(ours, { isRoot: true });
  const maxima = { objects: 64, bytes: 4096, descriptors: 4 };
  const join = (way: string | number) =>
    SharedDomain.join(way, { local: new LocalDomain(), maxima });
  const [root, domain] = [join(theirs), join(path)];
  for (let turn = 0; turn < 6; turn++) authority.dispatch();
  const patienceMs = 20_000;
  const sinceMs = performance.now();
  expect(domain.awaitReady(patienceMs)).toBe(false);
  expect(performance.now() - sinceMs).toBeLessThan(patienceMs);
  expect(domain.refusal).toBe('a process may have at most 0 channels');
  for (const member of [domain, root]) member.close();
  close();
});

/** Members that say no more than they are told to, in turns with their authority. */
class Members {
  readonly all: RawMember[] = [];
  readonly domain: ReturnType<typeof openAuthority>;

  constructor(options: AuthorityOptions) {
    this.domain = openAuthority(options);
  }

  /** @param isReady looks at the channels that others ask for */
  join(isReady = true): RawMember {
    const member = new RawMember(this.domain.path);
    member.isReady = isReady;
    this.all.push(member);
    member.hello();
    this.settle();
    return member;
  }

  settle(): void {
    for (let turn = 0; turn < 6; turn++) {
      this.domain.authority.dispatch();
      for (const member of this.all) if (member.isOpen) member.pump(0);
    }
  }

  close(): void {
    for (const member of this.all) member.close();
    this.domain.close();
  }
}

const refusals = ({ frames }: RawMember): unknown[] =>
  frames.filter(({ kind }) => kind === 'refused').map((frame) => frame['reason']);

test('members of a uid: one more than there may be is sent away, and named', () => {
  const members = new Members({ membersPerUidMax: 2 });
  const [first, second, third] = [members.join(), members.join(), members.join()];
  expect([first, second, third].map(({ isOpen }) => isOpen)).toEqual([true, true, false]);
  expect(members.domain.diagnostics).toEqual([
    expect.stringMatching(/pid \d+, uid \d+, .*\) was expelled: too many members of uid \d+$/),
  ]);
  first.close();
  members.settle();
  expect(members.join().isOpen).toBe(true);
  members.close();
});

test('a process that sends more descriptors than its page is sent away, and keeps none open here', () => {
  const members = new Members({});
  const count = (): number => readdirSync('/proc/self/fd').length;
  const before = count();
  const [early, member] = [new RawMember(members.domain.path), members.join()];
  members.settle();
  const half = Buffer.from('half a frame');
  for (const sender of [early, member]) {
    const descriptors = Array<number>(60).fill(sender.pageFd);
    sender.say(half, descriptors, { length: 1000, count: 60 });
  }
  members.settle();
  const { diagnostics } = members.domain;
  expect(
    diagnostics.filter((text) => text.endsWith('expelled: too many descriptors')),
  ).toHaveLength(2);
  early.close();
  member.close();
  expect(count()).toBe(before);
  members.close();
});

test('where few descriptors may be open, introductions leave some to everything else', () => {
  const limit = getOpenFilesLimit();
  setOpenFilesLimit({ ...limit, soft: 400 });
  onTestFinished(() => setOpenFilesLimit(limit));
  const members = new Members({});
  const [target, first, second] = [members.join(), members.join(), members.join()];
  const others: number[] = [];
  for (let fd = 0; fd < 300; others.push(fd)) fd = duplicate(target.fd);
  const ask = (requester: RawMember): void => {
    requester.say({ kind: 'introduce', peer: target.id });
    members.settle();
  };
  ask(first);
  expect(refusals(first)).toEqual(['the authority has run out of descriptors']);
  for (const fd of others) closeFd(fd);
  ask(second);
  expect(second.channels.has(target.id)).toBe(true);
  members.close();
});

test('a process may have so many channels in all', () => {
  const members = new Members({ channelsPerMemberMax: 2 });
  const [target, ...others] = Array.from({ length: 4 }, () => members.join());
  for (const other of others) other.say({ kind: 'introduce', peer: target.id });
  members.settle();
  expect(others.map((other) => other.channels.has(target.id))).toEqual([true, true, false]);
  expect(refusals(others[2])).toEqual(['a process may have at most 2 channels']);
  members.close();
});

test('introductions under way: one more than 256 of a uid is refused, until one is complete', () => {
  const members = new Members({});
  const all = Array.from({ length: 24 }, () => members.join(false));
  const pairs = all.flatMap((requester, i) =>
    all.slice(i + 1).map((peer) => ({ requester, peer })),
  );
  for (const { requester, peer } of pairs) {
    requester.say({ kind: 'introduce', peer: peer.id });
    members.settle();
  }
  const refused = all.flatMap(refusals);
  expect(refused).toHaveLength(pairs.length - 256);
  expect(new Set(refused)).toEqual(
    new Set([`uid ${process.getuid!()} already has 256 pending introductions`]),
  );
  const { requester, peer } = pairs[0];
  peer.say({ kind: 'ready', peer: requester.id });
  members.settle();
  const last = pairs.at(-1)!;
  last.requester.say({ kind: 'introduce', peer: last.peer.id });
  members.settle();
  expect(last.peer.channels.has(last.requester.id)).toBe(true);
  members.close();
});

test('introductions under way: a uid has as many as a quarter of the descriptors is enough for', () => {
  const limit = getOpenFilesLimit();
  setOpenFilesLimit({ ...limit, soft: 400 });
  onTestFinished(() => setOpenFilesLimit(limit));
  const members = new Members({});
  const [target, ...others] = Array.from({ length: 12 }, () => members.join(false));
  for (const other of others) other.say({ kind: 'introduce', peer: target.id });
  members.settle();
  expect(others.flatMap(refusals)).toEqual([
    `uid ${process.getuid!()} already has 10 pending introductions`,
  ]);
  members.close();
});

test('frames of a member: one read of them in a turn, and then others have theirs', () => {
  const members = new Members({});
  const [flooder, other] = [members.join(), members.join()];
  const text = Buffer.from(JSON.stringify({ kind: 'introduce', peer: 0 }));
  const header = Buffer.alloc(8);
  header.writeUInt32LE(header.length + text.length);
  const frame = Buffer.concat([header, text]);
  const rest = Array<Buffer>(1000).fill(frame);
  flooder.say(Buffer.concat([text, ...rest]), [], { length: frame.length });
  other.say({ kind: 'introduce', peer: 0 });
  members.domain.authority.dispatch();
  for (const member of [flooder, other]) member.pump(0);
  expect(refusals(other)).toHaveLength(1);
  expect(refusals(flooder).length).toBeLessThanOrEqual(16_384 / frame.length);
  members.close();
});
