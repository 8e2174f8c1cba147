import type { Random } from '../core/random.js';
import { DRIVER } from './operation.js';

/** Names that clients ask for, talk to, and match. Few, so that they meet. */
export const WELL_KNOWN_NAMES = ['com.example.A', 'com.example.B', 'com.example.B.Sub'] as const;
/** No rule of the stricter configuration lets anybody own these. */
const UNOWNABLE_NAMES = ['com.example.C', 'net.example'];
const INVALID_NAMES = ['', 'nodots', 'com..example', 'com.1example', 'com.example.', 'a b.c', ':'];
const MISSING_UNIQUE_NAMES = [':1.99999999', ':2.0', ':1.007'];

export const INTERFACES = ['com.example.I', 'com.example.J', 'com.example.Secret'];
export const MEMBERS = ['Go', 'Stop', 'Changed'];
export const PATHS = ['/', '/com/example', '/com/example/a', '/com/example/a/b'];
const ERRORS = ['com.example.Error.Failed', 'org.freedesktop.DBus.Error.Failed'];

/** A name to ask the driver about: mostly one that may be owned. */
export function anyName(random: Random, clients: number): string {
  const kind = random.below(20);
  if (kind < 9) return random.pick(WELL_KNOWN_NAMES);
  if (kind < 14) return `#${random.below(clients)}`;
  if (kind < 15) return random.pick(UNOWNABLE_NAMES);
  if (kind < 16) return DRIVER;
  if (kind < 18) return random.pick(MISSING_UNIQUE_NAMES);
  return kind < 19
    ? random.pick(INVALID_NAMES)
    : `${'x'.repeat(250)}.y${'z'.repeat(random.below(8))}`;
}

/** A name to request or release. */
export function ownableName(random: Random, clients: number): string {
  return random.chance(0.85) ? random.pick(WELL_KNOWN_NAMES) : anyName(random, clients);
}

/** Where a message can go; always a valid name. */
export function destination(random: Random, clients: number): string {
  const kind = random.below(20);
  if (kind < 10) return `#${random.below(clients)}`;
  if (kind < 17) return random.pick(WELL_KNOWN_NAMES);
  if (kind < 18) return random.pick(UNOWNABLE_NAMES);
  return random.pick(MISSING_UNIQUE_NAMES);
}

export function errorName(random: Random): string {
  return random.pick(ERRORS);
}

interface Body {
  readonly signature?: string;
  readonly body?: readonly unknown[];
}

const BODIES: readonly Body[] = [
  {},
  {},
  { signature: 's', body: ['com.example.A'] },
  { signature: 's', body: ['com.example'] },
  { signature: 's', body: ['/com/example/a/'] },
  { signature: 's', body: ['/com/example/a'] },
  { signature: 'o', body: ['/com/example/a'] },
  { signature: 'ss', body: ['com.example.B.Sub', 'it\'s "quoted", ü'] },
  { signature: 'us', body: [7, 'com.example.A'] },
  { signature: 'as', body: [['com.example.A', '#0']] },
  { signature: 'a(yx)d', body: [[[1, -2n]], 0.5] },
  { signature: 'ays', body: [new Uint8Array([1, 2, 3]), 'com.example.B'] },
];

export function anyBody(random: Random): Body {
  return random.pick(BODIES);
}
