import { openSync } from 'node:fs';
import {
  closeFd,
  createMemfd,
  EventFd,
  getuid,
  Seal,
  sealMemfd,
  setNonBlocking,
  socketPair,
} from '#core/linux/index.js';
import { Control, encode } from '#bridge/registry/control-message.js';
import type { Random } from '../../core/random.js';
import { DRIVER, anyMessage, plainCall } from '../random-message.js';
import { Entry, ROOT_ID, type RawChannel } from '../raw-channel.js';
import { RawMember } from '../raw-member.js';
import {
  anyWord,
  base64,
  bytesOf,
  fromBase64,
  mutated,
  type Place,
  type Target,
} from '../target.js';

/** A number, or what stands for one that is known only when the step is performed. */
type Word = number | string;

type Step =
  | { do: 'introduce'; to: number }
  | { do: 'admit' }
  | { do: 'resolve'; name: string }
  | { do: 'hello' }
  | { do: 'drain'; to: number; givesBack: boolean }
  | { do: 'word'; to: number; offset: number; value: number; isRead: boolean }
  | { do: 'page'; offset: number; value: number }
  | {
      do: 'descriptors';
      to: number;
      kinds: string[];
      sequence?: number;
      count?: number;
      bytes?: number;
    }
  | { do: 'switch'; to: number; capacity: number; size: number; seals: number }
  | { do: 'blocking'; to: number; index: number }
  | { do: 'commit'; to: number }
  | EntryStep;

interface EntryStep {
  do: 'entry';
  to: number;
  type: number;
  words: Word[];
  data: string;
  length?: number;
  stamp?: number;
  transaction?: number;
  repeat: number;
  commits: boolean;
}

/** 0 is the process with the root node; the others are who happens to have these IDs. */
const PROCESSES = [0, 0, 0, 0, 2, 3, 4, 5, 6, 7];
const SERVICES = ['org.bus1.Legacy', 'org.bus1.Native', 'org.bus1.Started'];
/** An entry in so many is one that nothing may accept. */
const WRONG = 1 / 60;

const BODY_WORDS: Record<number, number> = { 2: 2, 3: 2, 4: 4, 5: 4, 6: 6, 7: 8, 8: 2, 10: 2 };

function anyReference(random: Random): Word[] {
  const kind = random.pick([1, 1, 1, 2, 3, 3, random.chance(0.1) ? anyWord(random) : 1]);
  const flags = random.pick([0, 0, 0x100, 0x200, 0x300, random.chance(0.03) ? 0x400 : 0]);
  const id: Word =
    kind === 2 ? '@import' : kind === 3 ? '@next' : random.pick<Word>(['@next', '@next', 1, 2, 3]);
  const uid: Word = random.pick<Word>(['@uid', '@uid', '@uid', anyWord(random)]);
  return [
    (kind | flags) >>> 0,
    id,
    uid,
    kind === 3 ? random.pick<Word>([2, 3, 4, 5, 6, anyWord(random)]) : 0,
  ];
}

const ADMIT = encode(Control.Admit, { takesDescriptors: true, credentials: undefined });
/** Well-formed, but for the last one, whoever may send them. */
const CONTROLS: readonly Uint8Array[] = [
  ADMIT,
  encode(Control.Disconnect, { reason: 'over' }),
  encode(Control.Sync, {}),
  encode(Control.Mirror, {}),
  encode(Control.Accepting, { isAccepting: false }),
  ...[...SERVICES, DRIVER, ':1.1', ''].flatMap((name) => [
    encode(Control.Resolve, { name }),
    encode(Control.NameNode, { name }),
    encode(Control.ReleaseName, { isQueued: true, name }),
    encode(Control.Denied, { sender: name, why: '', message: '', rule: undefined }),
  ]),
  Buffer.from('x'.repeat(70_000)),
];
const CODES = Math.max(...Object.values(Control).map(({ code }) => code)) + 1;

function payload(random: Random): Uint8Array {
  if (random.chance(0.6)) return anyMessage(random, { services: SERVICES });
  const control = Uint8Array.from(random.pick(CONTROLS));
  if (random.chance(0.3)) control[0] = random.below(CODES);
  return random.chance(0.3) ? mutated(random, control) : control;
}

function anyMessageEntry(random: Random): Pick<EntryStep, 'type' | 'words' | 'data'> {
  const data = payload(random);
  const references = Array.from({ length: random.pick([0, 0, 0, 1, 1, 2, 2, 3, 20]) }, () =>
    anyReference(random),
  );
  const target = random.pick<Word>(['@import', '@import', '@import', '@import', ROOT_ID]);
  const words: Word[] = [
    target,
    random.pick<Word>([7, 8, 9, '@next']),
    '@uid',
    references.length,
    0,
    data.length,
    0,
    0,
    0,
    0,
  ];
  if (random.chance(0.02)) words[random.below(10)] = anyWord(random);
  return { type: Entry.Message, words: [...words, ...references.flat()], data: base64(data) };
}

function anyControlEntry(random: Random): Pick<EntryStep, 'type' | 'words' | 'data'> {
  const type = random.pick([2, 3, 4, 5, 5, 6, 7, 7, 8, 10]);
  const words: Word[] = Array.from({ length: BODY_WORDS[type] }, () => 0);
  const own = (): Word => random.pick<Word>(['@import', '@import', '@next', anyWord(random)]);
  switch (type) {
    case Entry.NodeRelease:
    case Entry.TraceEnd:
      words[0] = random.pick<Word>(['@next', 1, 2, 7, anyWord(random)]);
      break;
    case Entry.Release:
      words[0] = '@import';
      words[1] = random.pick([1, 1, 2, anyWord(random)]);
      break;
    case Entry.Grant:
      [words[0], words[1], words[2]] = [
        '@import',
        random.pick<Word>([2, 3, 4, '@self', anyWord(random)]),
        own(),
      ];
      break;
    case Entry.Claim:
      [words[0], words[1], words[2]] = [
        random.pick<Word>([1, 2, 3, '@self', anyWord(random)]),
        own(),
        random.pick<Word>(['@claim', anyWord(random)]),
      ];
      break;
    case Entry.Credit:
      [words[0], words[1], words[3]] = [anyWord(random), anyWord(random), anyWord(random)];
      break;
    case Entry.Window:
      [words[0], words[1]] = [
        random.pick<Word>(['@uid', 0, '@next', anyWord(random)]),
        random.below(4),
      ];
      for (let i = 2; i < 8; i++) words[i] = random.chance(0.5) ? 0 : anyWord(random);
      break;
    default:
  }
  return { type, words, data: '' };
}

function anyEntry(random: Random): EntryStep {
  const to = random.pick(PROCESSES);
  const base = random.chance(0.65) ? anyMessageEntry(random) : anyControlEntry(random);
  const step: EntryStep = { do: 'entry', to, ...base, repeat: 1, commits: random.chance(0.4) };
  if (random.chance(0.3)) step.repeat = random.pick([2, 8, 64, 300, 2000]);
  if (!random.chance(WRONG)) return step;
  switch (random.below(6)) {
    case 0:
      step.length = anyWord(random);
      break;
    case 1:
      step.length = random.pick([8, 16, 24, 32, 40, 48, 56, 64, 72]);
      break;
    case 2:
      step.stamp = random.pick([0, -1, 1e300, 2 ** 53, Number.MIN_VALUE]);
      break;
    case 3:
      step.transaction = anyWord(random);
      step.stamp = 0;
      break;
    case 4:
      step.type = random.chance(0.5) ? random.below(12) : anyWord(random);
      break;
    default:
      step.data = base64(bytesOf(random, random.below(64)));
      step.words = step.words.slice(0, random.below(step.words.length + 1));
  }
  return step;
}

function anyStep(random: Random): Step {
  const to = random.pick(PROCESSES);
  if (random.chance(0.88)) return anyEntry(random);
  switch (random.below(24)) {
    case 0:
      return {
        do: 'word',
        to,
        offset: random.pick([0, 4, 8, 12, 64]),
        value: anyWord(random),
        isRead: random.chance(0.4),
      };
    case 1:
      return { do: 'page', offset: random.pick([0, 64, 72, 76]), value: anyWord(random) };
    case 2:
    case 3: {
      const kinds = Array.from({ length: random.below(4) }, () =>
        random.pick(['memfd', 'sealed', 'bell', 'socket', 'null', 'zero']),
      );
      const odd = random.chance(0.2)
        ? { sequence: anyWord(random) }
        : random.chance(0.2)
          ? { count: anyWord(random) }
          : {};
      return {
        do: 'descriptors',
        to,
        kinds,
        ...odd,
        ...(random.chance(0.1) ? { bytes: random.below(20) } : {}),
      };
    }
    case 4: {
      const capacity = random.chance(0.6) ? 2 ** (16 + random.below(9)) : anyWord(random);
      const size = Math.min(2 ** 30, random.chance(0.7) ? capacity + 256 : random.below(2 ** 20));
      return {
        do: 'switch',
        to,
        capacity,
        size,
        seals: random.pick([Seal.Shrink | Seal.Grow | Seal.Seal, Seal.Shrink, 0, 31]),
      };
    }
    case 5:
      return { do: 'blocking', to, index: random.pick([1, 2, 3]) };
    case 6:
    case 7:
      return { do: 'introduce', to: random.pick([1, 2, 3, 4, 5, 6, 7, 8, 9]) };
    case 8:
      return {
        do: 'resolve',
        name: random.pick([...SERVICES, DRIVER, 'org.bus1.Absent', '', ':1.1']),
      };
    case 9:
      return { do: 'admit' };
    case 10:
      return { do: 'commit', to };
    default:
      return { do: 'drain', to, givesBack: random.chance(0.9) };
  }
}

function generate(random: Random): Step[] {
  const steps: Step[] = [];
  if (random.chance(0.9)) steps.push({ do: 'admit' }, { do: 'hello' });
  for (const name of SERVICES) if (random.chance(0.5)) steps.push({ do: 'resolve', name });
  for (const to of [2, 3, 4, 5, 6]) if (random.chance(0.3)) steps.push({ do: 'introduce', to });
  for (let count = 20 + random.below(300); count > 0; count--) steps.push(anyStep(random));
  return steps;
}

/** How long an answer to one of our own requests is waited for. */
const ANSWER_MS = 300;

class RingAttack {
  readonly member: RawMember;
  written = 0;
  private readonly uid = getuid();
  private counter = 0;

  constructor(member: RawMember) {
    this.member = member;
  }

  private channelTo(to: number): RawChannel | undefined {
    const channel = this.member.channels.get(to === 0 ? this.member.root : to);
    return channel?.isOpen ? channel : undefined;
  }

  private valueOf(word: Word, channel: RawChannel): number {
    if (typeof word === 'number') return word;
    switch (word) {
      case '@import':
        return channel.imports.at(this.counter++ % Math.max(channel.imports.length, 1)) ?? ROOT_ID;
      case '@uid':
        return this.uid;
      case '@self':
        return this.member.id;
      case '@claim':
        return 0x8000_0000 + (++this.counter & 0xffff);
      default:
        return ++this.counter;
    }
  }

  private bodyOf(words: readonly Word[], data: Uint8Array, channel: RawChannel): Uint8Array {
    const body = new Uint8Array(words.length * 4 + data.length);
    const view = new DataView(body.buffer);
    words.forEach((word, i) => view.setUint32(i * 4, this.valueOf(word, channel) >>> 0, true));
    body.set(data, words.length * 4);
    return body;
  }

  async entry(step: EntryStep): Promise<void> {
    const channel = this.channelTo(step.to);
    if (channel === undefined) return;
    const data = fromBase64(step.data);
    for (let i = 0; i < step.repeat; i++) {
      const body = this.bodyOf(step.words, data, channel);
      if (!channel.write(step.type, body, step)) {
        channel.commit();
        if (!(await this.roomIn(channel))) return;
        continue;
      }
      this.written++;
    }
    if (step.commits) channel.commit();
  }

  /** Waits until the other side has taken something; false when it does not, or has hung up. */
  private async roomIn(channel: RawChannel): Promise<boolean> {
    const deadline = performance.now() + ANSWER_MS;
    const { free } = channel;
    while (channel.free === free && performance.now() < deadline) {
      if (channel.hasHungUp()) {
        channel.close();
        return false;
      }
      this.take(channel, true);
      await new Promise(setImmediate);
    }
    // Nobody takes anything any more, by what was done to the ring's words: no more time is lost on it.
    if (channel.free === free) channel.close();
    return channel.isOpen;
  }

  /** Takes what has come, and claims what was granted. */
  take(channel: RawChannel, givesBack: boolean): void {
    for (const { type, bytes } of channel.read(givesBack)) {
      if (type !== Entry.Message || bytes.length < 64) continue;
      const view = new DataView(bytes.buffer);
      const count = Math.min(view.getUint32(36, true), 64);
      for (let at = 64; at + 16 <= bytes.length && at < 64 + 16 * count; at += 16) {
        if ((view.getUint32(at, true) & 0xff) !== 3) continue;
        this.claim(channel.peer, view.getUint32(at + 4, true), view.getUint32(at + 12, true));
      }
    }
  }

  private claim(grantor: number, nonce: number, owner: number): void {
    const channel = this.member.introduce(owner, ANSWER_MS);
    if (channel === undefined) return;
    const as = 0x8000_0000 + ++this.counter;
    channel.write(Entry.Claim, this.bodyOf([grantor, nonce, as, 0], new Uint8Array(0), channel));
    channel.commit();
    channel.imports.push(as);
  }

  /** A well-formed message with a one-shot node for the answer, which is awaited. */
  async ask(target: number, before: Word[][], data: Uint8Array): Promise<void> {
    const channel = this.channelTo(0);
    if (channel === undefined) return;
    const references = [...before, [0x101, '@next', '@uid', 0]];
    const words: Word[] = [
      target,
      7,
      '@uid',
      references.length,
      0,
      data.length,
      0,
      0,
      0,
      0,
      ...references.flat(),
    ];
    channel.write(Entry.Message, this.bodyOf(words, data, channel));
    channel.commit();
    this.written++;
    const deadline = performance.now() + ANSWER_MS;
    const known = channel.imports.length;
    while (channel.imports.length === known && performance.now() < deadline) {
      this.take(channel, true);
      if (channel.hasHungUp()) return;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  async perform(step: Step): Promise<void> {
    const { member } = this;
    member.pump(0);
    switch (step.do) {
      case 'entry':
        return this.entry(step);
      case 'admit':
        return this.ask(ROOT_ID, [[1, '@next', '@uid', 0]], ADMIT);
      case 'hello':
        return this.ask(this.importOf(0), [], plainCall(DRIVER, 'Hello', 1));
      case 'resolve':
        return this.ask(this.importOf(1), [], encode(Control.Resolve, { name: step.name }));
      case 'introduce':
        member.introduce(step.to, ANSWER_MS);
        return;
      case 'page':
        member.page.view.setUint32(step.offset, step.value >>> 0, true);
        return;
      default: {
        const channel = this.channelTo(step.to);
        if (channel !== undefined) this.onChannel(step, channel);
      }
    }
  }

  private importOf(index: number): number {
    return this.channelTo(0)?.imports[index] ?? ROOT_ID;
  }

  private onChannel(
    step: Exclude<Step, { do: 'entry' | 'admit' | 'hello' | 'resolve' | 'introduce' | 'page' }>,
    channel: RawChannel,
  ): void {
    switch (step.do) {
      case 'drain':
        return this.take(channel, step.givesBack);
      case 'word':
        if (step.isRead) channel.setReadWord(step.offset, step.value);
        else channel.setWord(step.offset, step.value);
        return channel.ring();
      case 'switch':
        return channel.switchTo(step.capacity, step.size, step.seals);
      case 'blocking':
        return setNonBlocking(channel.descriptors[step.index], false);
      case 'commit':
        return channel.commit();
      default: {
        const fds = step.kinds.map(descriptorOf);
        if (step.bytes === undefined) channel.sendDescriptors(fds, step.sequence, step.count);
        else channel.sendBytes(step.bytes, fds);
        for (const fd of fds) closeFd(fd);
      }
    }
  }
}

function descriptorOf(kind: string): number {
  switch (kind) {
    case 'memfd':
      return createMemfd('hostile', 1 << 17);
    case 'sealed': {
      const fd = createMemfd('hostile', 1 << 17);
      sealMemfd(fd, Seal.Shrink | Seal.Grow | Seal.Seal);
      return fd;
    }
    case 'bell':
      return new EventFd().fd;
    case 'socket': {
      const [own, other] = socketPair();
      closeFd(other);
      return own;
    }
    default:
      return openSync(kind === 'zero' ? '/dev/zero' : '/dev/null', 'r');
  }
}

/** Entries of rings, their words and pages, and the descriptors that travel beside them. */
export const rings: Target = {
  needsBus: true,
  generate,
  async perform(steps, { socketPath }: Place) {
    const member = RawMember.join(`${socketPath}.bus1`);
    if (member === undefined) return 0;
    const attack = new RingAttack(member);
    try {
      for (const step of steps as Step[]) {
        if (!member.isOpen) break;
        await attack.perform(step);
      }
      for (const channel of member.channels.values()) if (channel.isOpen) channel.commit();
    } finally {
      member.close();
    }
    return attack.written;
  },
};
