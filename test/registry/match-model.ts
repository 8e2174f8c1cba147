import * as fc from 'fast-check';
import { Variant } from '#bridge/wire/types.js';

/**
 * Match rules and messages as plain data, and the specification's rules ("Match Rules") over them
 * word by word: slow, without strings in bytes, ids or indexes.
 */

export interface RuleModel {
  type?: string | undefined;
  sender?: string | undefined;
  interface?: string | undefined;
  member?: string | undefined;
  path?: string | undefined;
  path_namespace?: string | undefined;
  destination?: string | undefined;
  eavesdrop?: string | undefined;
  /** Keys arg0, arg1path and so on; an argument occurs once. */
  args: [key: string, value: string][];
}

export interface MessageModel {
  type: string;
  path?: string | undefined;
  interface?: string | undefined;
  member?: string | undefined;
  destination?: string | undefined;
  /** Unique name, then well-known names. */
  senderNames: string[];
  destinationNames: string[];
  body: [signature: string, value: unknown][];
  littleEndian: boolean;
}

const NAMES = ['com.x', 'com.x.y', 'com.y'];
const UNIQUE_NAMES = [':1.1', ':1.2'];
const PATHS = ['/', '/a', '/a/b', '/a/b/c', '/ab', '/b'];
const TEXTS = ['', 'a', 'com', 'com.x', 'com.x.y', 'comx', "it's", 'é', '/a/', '/a/b/', 'a/', '//'];
const TYPES = ['method_call', 'method_return', 'error', 'signal'];

const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 1 });

const argument = fc
  .tuple(
    fc.constantFrom(0, 1, 2, 3),
    fc.constantFrom('', 'path'),
    fc.constantFrom(...TEXTS, ...PATHS),
  )
  .map(([index, suffix, value]): [string, string] => [`arg${index}${suffix}`, value]);

const namespaceArgument = fc
  .constantFrom('com', 'com.x', 'com.x.y', 'a')
  .map((value): [string, string] => ['arg0namespace', value]);

const pathKeys = fc.oneof(
  fc.constant({}),
  fc.constantFrom(...PATHS).map((path) => ({ path })),
  fc.constantFrom(...PATHS).map((path) => ({ path_namespace: path })),
);

export const ruleModels: fc.Arbitrary<RuleModel> = fc
  .tuple(
    fc.record({
      type: maybe(fc.constantFrom(...TYPES)),
      sender: maybe(fc.constantFrom(...NAMES, ...UNIQUE_NAMES, 'org.freedesktop.DBus')),
      interface: maybe(fc.constantFrom('i.a', 'i.b')),
      member: maybe(fc.constantFrom('M', 'N')),
      destination: fc.option(fc.constantFrom(...NAMES, ...UNIQUE_NAMES), {
        nil: undefined,
        freq: 5,
      }),
      eavesdrop: fc.constantFrom(undefined, undefined, 'true', 'false'),
      args: fc.uniqueArray(fc.oneof(argument, argument, namespaceArgument), {
        maxLength: 3,
        selector: ([key]) => key.slice(0, 4),
      }),
    }),
    pathKeys,
  )
  .map(([keys, path]) => ({ ...keys, ...path }));

const text = (code: string, ...values: string[]): fc.Arbitrary<[string, unknown]> =>
  fc.tuple(fc.constant(code), fc.constantFrom(...values));

const bodyArguments: fc.Arbitrary<[string, unknown]> = fc.oneof(
  { weight: 6, arbitrary: text('s', ...TEXTS, ...PATHS) },
  { weight: 3, arbitrary: text('o', ...PATHS) },
  fc.constantFrom<[string, unknown]>(
    ['y', 7],
    ['n', -2],
    ['u', 3],
    ['x', 4n],
    ['d', 0.5],
    ['g', 'a{sv}'],
    ['as', ['com', 'a']],
    ['at', [1n]],
    ['ay', new Uint8Array([1, 2, 3])],
    ['a(yv)', [[1, new Variant('s', 'a')]]],
    ['a{sv}', new Map([['a', new Variant('u', 1)]])],
    ['(ysay)', [1, 'com', new Uint8Array([9])]],
    ['v', new Variant('s', 'a')],
    ['v', new Variant('(yaasx)', [1, [['a'], []], 2n])],
  ),
);

export const messageModels: fc.Arbitrary<MessageModel> = fc
  .record({
    type: fc.constantFrom(...TYPES, 'signal', 'signal'),
    path: fc.constantFrom(...PATHS),
    interface: fc.constantFrom('i.a', 'i.b', 'i.c'),
    member: fc.constantFrom('M', 'N', 'O'),
    sender: fc.constantFrom(...UNIQUE_NAMES, 'org.freedesktop.DBus'),
    ownNames: fc.subarray(NAMES),
    destination: maybe(fc.constantFrom(...NAMES, ...UNIQUE_NAMES)),
    otherNames: fc.subarray(NAMES),
    body: fc.array(bodyArguments, { maxLength: 5 }),
    littleEndian: fc.boolean(),
  })
  .map(({ sender, ownNames, otherNames, ...message }) => ({
    ...message,
    ...(/return|error/u.test(message.type) && {
      path: undefined,
      interface: undefined,
      member: undefined,
    }),
    senderNames: [sender, ...ownNames],
    destinationNames:
      message.destination === undefined ? [] : [...new Set([message.destination, ...otherNames])],
  }));

/** The rule as a client would write it. */
export function textOf({ args, ...keys }: RuleModel): string {
  return [...Object.entries(keys), ...args]
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}='${String(value).replaceAll("'", String.raw`'\''`)}'`)
    .join(',');
}

/** Two rules are the same if they have the same keys and values, in any order. */
export function identityOf({ args, eavesdrop, ...keys }: RuleModel): string {
  const pairs = [...Object.entries(keys), ...args].filter(([, value]) => value !== undefined);
  const sorted = pairs.toSorted(([a], [b]) => a.localeCompare(b));
  return JSON.stringify([sorted, eavesdrop === 'true']);
}

export function matches(rule: RuleModel, message: MessageModel): boolean {
  if (rule.type !== undefined && rule.type !== message.type) return false;
  if (rule.interface !== undefined && rule.interface !== message.interface) return false;
  if (rule.member !== undefined && rule.member !== message.member) return false;
  if (rule.path !== undefined && rule.path !== message.path) return false;
  if (rule.sender !== undefined && !message.senderNames.includes(rule.sender)) return false;
  if (rule.path_namespace !== undefined) {
    if (!isInNamespace(message.path, rule.path_namespace, '/')) return false;
  }
  return isForRule(rule, message) && rule.args.every(([key, value]) => hasArg(message, key, value));
}

function isForRule(rule: RuleModel, message: MessageModel): boolean {
  if (message.destination === undefined) return rule.destination === undefined;
  if (rule.eavesdrop !== 'true') return false;
  return rule.destination === undefined || message.destinationNames.includes(rule.destination);
}

function hasArg(message: MessageModel, key: string, value: string): boolean {
  const index = Number(/\d+/u.exec(key)?.[0]);
  const [signature, actual] = message.body[index] ?? [];
  if (typeof actual !== 'string') return false;
  if (key.endsWith('path')) {
    if (signature !== 's' && signature !== 'o') return false;
    if (actual === value) return true;
    if (value.endsWith('/') && actual.startsWith(value)) return true;
    return actual.endsWith('/') && value.startsWith(actual);
  }
  if (signature !== 's') return false;
  return key.endsWith('namespace') ? isInNamespace(actual, value, '.') : actual === value;
}

function isInNamespace(text: string | undefined, namespace: string, separator: string): boolean {
  if (text === undefined) return false;
  if (text === namespace || namespace === separator) return true;
  return text.startsWith(namespace + separator);
}
