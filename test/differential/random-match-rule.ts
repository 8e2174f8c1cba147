import type { Random } from '../core/random.js';
import { DRIVER } from './operation.js';
import { INTERFACES, MEMBERS, PATHS, WELL_KNOWN_NAMES } from './random-values.js';

/** More than the 1024 bytes that a rule may have. */
const TOO_LONG = `arg0='${'x'.repeat(1024)}'`;

const BROKEN_RULES = [
  "type='nonsense'",
  "type='signal',type='signal'",
  "sender='nodots'",
  "member='not-a-member'",
  "path='/a',path_namespace='/a'",
  "path='no/path'",
  "arg64='x'",
  "arg0='x',arg0path='/x'",
  "arg1namespace='com.example'",
  "arg='x'",
  "type='signal",
  'type',
  "nonsense='x'",
  "eavesdrop='maybe'",
  TOO_LONG,
];

const ODD_RULES = [
  '',
  ',',
  ' type = signal',
  " type='signal' , member='Go'",
  "type=signal,interface='com.example.I',",
  "arg0='it'\\''s'",
  "type='sig''nal'",
  "arg0namespace='com'",
  "arg0='com.example.A',arg1='x'",
];

export function anyMatchRule(random: Random, clients: number): string {
  if (random.chance(0.08)) return random.pick(BROKEN_RULES);
  if (random.chance(0.08)) return random.pick(ODD_RULES);
  const keys = KEYS.filter(([probability]) => random.chance(probability)).map(([, key]) =>
    key(random, clients),
  );
  return random.shuffled(keys).join(',');
}

const KEYS: readonly [number, (random: Random, clients: number) => string][] = [
  [0.5, (random) => `type='${random.pick(['signal', 'signal', 'method_call', 'error'])}'`],
  [0.25, (random, clients) => `sender='${peerName(random, clients)}'`],
  [0.25, (random) => `interface='${random.pick([...INTERFACES, DRIVER])}'`],
  [0.25, (random) => `member='${random.pick([...MEMBERS, 'NameOwnerChanged'])}'`],
  [0.2, pathKey],
  [0.05, (random, clients) => `destination='${peerName(random, clients)}'`],
  [0.25, argumentKey],
  [0.2, (random) => `eavesdrop='${random.pick(['true', 'true', 'false'])}'`],
];

function peerName(random: Random, clients: number): string {
  return random.pick([`#${random.below(clients)}`, ...WELL_KNOWN_NAMES, DRIVER]);
}

function pathKey(random: Random): string {
  return `${random.pick(['path', 'path_namespace'])}='${random.pick(PATHS)}'`;
}

function argumentKey(random: Random): string {
  return random.pick([
    "arg0='com.example.A'",
    "arg0namespace='com.example'",
    "arg0namespace='com.example.B'",
    "arg0path='/com/example/a/'",
    "arg0path='/com/example/a/b'",
    "arg1='com.example.A'",
    "arg2='#0'",
    "arg1path='/'",
  ]);
}
