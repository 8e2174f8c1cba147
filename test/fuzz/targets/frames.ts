import { openSync } from 'node:fs';
import { closeFd, createMemfd, EventFd, Seal, sealMemfd } from '#core/linux/index.js';
import type { Random } from '../../core/random.js';
import { MAXIMA, RawMember } from '../raw-member.js';
import { anyWord, base64, fromBase64, mutated, type Place, type Target } from '../target.js';

interface Step {
  readonly content: string;
  readonly kinds: readonly string[];
  readonly length?: number;
  readonly count?: number;
}

const VALUES = [
  0,
  1,
  -1,
  2,
  3,
  4,
  5,
  6,
  1.5,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  1e308,
  null,
  true,
  '',
  '1',
  [],
  {},
  [[]],
  { peer: 1 },
];

function anyFrame(random: Random): unknown {
  const kind = random.pick([
    'hello',
    'introduce',
    'introduce',
    'introduce',
    'ready',
    'ready',
    'decline',
    'decline',
    'welcome',
    'channel',
    'gone',
    '',
    7,
  ]);
  const frame: Record<string, unknown> = {
    kind,
    peer: random.pick([1, 2, 3, 4, 5, 6, random.pick(VALUES), anyWord(random)]),
  };
  if (kind === 'hello') {
    frame['version'] = random.chance(0.8) ? 1 : random.pick(VALUES);
    const maxima = {
      ...MAXIMA,
      [random.pick(['objects', 'bytes', 'descriptors'])]: random.pick(VALUES),
    };
    frame['maxima'] = random.chance(0.8) ? maxima : random.pick(VALUES);
  }
  if (random.chance(0.05))
    frame[random.pick(['__proto__', 'constructor', 'toString', 'x'])] = random.pick(VALUES);
  return random.chance(0.03) ? random.pick(VALUES) : frame;
}

function generate(random: Random): Step[] {
  const steps: Step[] = [];
  for (let count = 1 + random.below(60); count > 0; count--) {
    const text = Buffer.from(
      random.chance(0.005) ? '['.repeat(60_000) : JSON.stringify(anyFrame(random)),
    );
    const content = base64(random.chance(0.05) ? mutated(random, text) : text);
    const kinds = random.chance(0.1) ? [random.pick(['page', 'loose', 'bell', 'null'])] : [];
    const odd = random.chance(0.02)
      ? { length: anyWord(random) }
      : random.chance(0.02)
        ? { count: random.below(5) }
        : {};
    steps.push({ content, kinds, ...odd });
  }
  return steps;
}

function descriptorOf(kind: string): number {
  if (kind === 'null') return openSync('/dev/null', 'r');
  if (kind === 'bell') return new EventFd().fd;
  const fd = createMemfd('hostile-page', kind === 'page' ? 4096 : 100);
  if (kind === 'page') sealMemfd(fd, Seal.Shrink | Seal.Grow | Seal.FutureWrite | Seal.Seal);
  return fd;
}

/** What is said to the authority of a domain, before and after hello. */
export const frames: Target = {
  needsBus: true,
  generate,
  perform(steps, { socketPath }: Place) {
    const path = `${socketPath}.bus1`;
    const saysHello = steps.length % 4 !== 0;
    const member = saysHello ? RawMember.join(path) : new RawMember(path);
    if (member === undefined) return 0;
    member.isReady = steps.length % 3 !== 0;
    let said = 0;
    try {
      for (const { content, kinds, ...options } of steps as Step[]) {
        if (!member.isOpen) break;
        const fds = kinds.map(descriptorOf);
        member.say(fromBase64(content), fds, options);
        for (const fd of fds) closeFd(fd);
        said++;
        member.pump(said % 8 === 0 ? 5 : 0);
      }
      member.pump(20);
    } finally {
      member.close();
    }
    return said;
  },
};
