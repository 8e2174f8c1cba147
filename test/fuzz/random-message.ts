import type { Random } from '../core/random.js';
import { rawMessage, signature, string, word, type RawField } from '../host/raw-message.js';
import { anyWord, bytesOf, mutated } from './target.js';

export const DRIVER = 'org.freedesktop.DBus';

const PATHS = ['/', '/a', '/org/bus1/test', '/org/freedesktop/DBus', '/fuzz', '//', '/a/', 'a', ''];
const INTERFACES = [
  'org.bus1.Test',
  DRIVER,
  'org.freedesktop.DBus.Properties',
  'org.freedesktop.DBus.Peer',
  'org.freedesktop.DBus.Introspectable',
  'org.freedesktop.DBus.Monitoring',
  'org.freedesktop.DBus.Debug.Stats',
  'org.bus1.Status',
  'org.bus1.Uplink',
  'a.b',
  'a',
  '.',
];
const MEMBERS = [
  'Echo',
  'Ping',
  'GetId',
  'Hello',
  'ListNames',
  'ListActivatableNames',
  'NameHasOwner',
  'GetNameOwner',
  'RequestName',
  'ReleaseName',
  'ListQueuedOwners',
  'AddMatch',
  'RemoveMatch',
  'StartServiceByName',
  'UpdateActivationEnvironment',
  'GetConnectionCredentials',
  'GetConnectionUnixUser',
  'GetAll',
  'Get',
  'Set',
  'Introspect',
  'GetStats',
  'GetConnectionStats',
  'GetAllMatchRules',
  'NameOwnerChanged',
  'NameLost',
  'NameAcquired',
  'Changed',
  '0x',
  '',
];
const SIGNATURES = [
  '',
  's',
  'u',
  'su',
  'ss',
  'ssv',
  'a{ss}',
  'a{sv}',
  'v',
  'ay',
  'as',
  'h',
  'ah',
  'asu',
  'g',
  'o',
  'b',
  'aaaaaaaa(u)',
  '(((((s)))))',
  'a{s(iv)}',
  'd',
  't',
  'x',
  'n',
  'q',
  'y',
  'z',
  'a',
  '(',
  '{sv}',
  'a{vs}',
  'a'.repeat(33) + 's',
  '('.repeat(33) + 's' + ')'.repeat(33),
  'v'.repeat(255),
] as const;

/** Names that mean something on the bus that is attacked. */
export interface Names {
  readonly services: readonly string[];
}

function anyName(random: Random, { services }: Names): string {
  const some = [
    DRIVER,
    DRIVER,
    ...services,
    ...services,
    ':1.0',
    ':1.1',
    ':1.2',
    ':1.3',
    ':1.99999',
  ];
  return random.pick([
    ...some,
    'org.bus1.Absent',
    'a.b',
    'a',
    '',
    ':',
    ':1.',
    'x'.repeat(256),
    'é.b',
  ]);
}

function fieldValue(random: Random, code: number, names: Names): RawField {
  switch (code) {
    case 1:
      return [1, 'o', string(random.pick(PATHS))];
    case 2:
      return [2, 's', string(random.pick(INTERFACES))];
    case 3:
      return [3, 's', string(random.pick(MEMBERS))];
    case 4:
      return [4, 's', string(random.pick(['org.freedesktop.DBus.Error.Failed', 'a.b', '']))];
    case 5:
      return [5, 'u', word(random.chance(0.7) ? 1 + random.below(40) : anyWord(random))];
    case 6:
    case 7:
      return [code, 's', string(anyName(random, names))];
    case 8:
      return [8, 'g', signature(random.pick(SIGNATURES))];
    case 9:
      return [9, 'u', word(random.chance(0.7) ? random.below(3) : anyWord(random))];
    default:
      return [code, random.pick(['s', 'u', 'v', 'ay', 'g']), string('unknown')];
  }
}

/** Values that would be right for this signature, most of the time. */
function bodyFor(random: Random, types: string, names: Names): Uint8Array {
  let bytes: Uint8Array = new Uint8Array(0);
  for (const type of types.slice(0, 8)) {
    const alignment =
      type === 'g' || type === 'y' || type === 'v' ? 1 : 'xtd({'.includes(type) ? 8 : 4;
    bytes = Buffer.concat([bytes, new Uint8Array(-bytes.length & (alignment - 1))]);
    bytes = Buffer.concat([bytes, valueOf(random, type, names)]);
  }
  return bytes;
}

function valueOf(random: Random, type: string, names: Names): Uint8Array {
  if (type === 's') {
    const rules = [
      "type='signal'",
      "member='NameOwnerChanged',arg0='a'",
      "path_namespace='/'",
      "eavesdrop='true'",
    ];
    return string(
      random.pick([anyName(random, names), random.pick(rules), 'x', '\u0001', 'y'.repeat(5000)]),
    );
  }
  if (type === 'o') return string(random.pick(PATHS));
  if (type === 'g') return signature(random.pick(['s', '', 'a{sv}', 'z']));
  if (type === 'v')
    return Buffer.concat([signature(random.pick(['u', 's', 'v', ''])), new Uint8Array(2), word(3)]);
  if ('xtd'.includes(type)) return bytesOf(random, 8);
  if (type === 'y') return bytesOf(random, 1);
  return word(random.chance(0.6) ? random.below(8) : anyWord(random));
}

const REQUIRED: Record<number, readonly number[]> = { 1: [1, 3], 2: [5], 3: [4, 5], 4: [1, 2, 3] };

/** A message to somebody on the bus: well-formed, somewhat off, or spoilt. Its serial is 1 or more. */
export function anyMessage(random: Random, names: Names, spoilt = 0.35): Uint8Array {
  const type = random.pick([
    1,
    1,
    1,
    1,
    1,
    2,
    3,
    4,
    4,
    4,
    random.chance(0.05) ? random.below(256) : 1,
  ]);
  const codes = new Set(REQUIRED[type] ?? [1, 3]);
  if (random.chance(0.8) && type !== 4) codes.add(6);
  if (random.chance(0.7)) codes.add(2);
  for (const code of [4, 5, 6, 7, 9, 10, 200]) if (random.chance(0.06)) codes.add(code);
  const fields = random.shuffled([...codes]).map((code) => fieldValue(random, code, names));
  if (random.chance(0.03)) fields.push(random.pick(fields));
  let body: Uint8Array = new Uint8Array(0);
  if (random.chance(0.6)) {
    const types = random.pick(SIGNATURES);
    fields.push([8, 'g', signature(types)]);
    body = bodyFor(random, types, names);
  }
  const bytes = rawMessage({
    type,
    fields,
    body,
    serial: 1 + random.below(60_000),
    ...oddities(random, body),
  });
  bytes[2] = random.chance(0.5) ? 0 : random.below(8);
  return random.chance(spoilt) ? mutated(random, bytes) : bytes;
}

function oddities(random: Random, body: Uint8Array): Record<string, number> {
  if (!random.chance(0.04)) return {};
  return random.pick([
    { bodyLength: anyWord(random) },
    { bodyLength: body.length + random.below(9) },
    { fieldsLength: anyWord(random) },
    { padding: 1 },
    { version: random.below(4) },
    { serial: 0 },
  ] as Record<string, number>[]);
}

/** A well-formed call, for what has to go right before something can go wrong. */
export function plainCall(
  destination: string,
  member: string,
  serial: number,
  body?: [string, Uint8Array],
): Uint8Array {
  const of = destination === DRIVER ? DRIVER : 'org.bus1.Test';
  const fields: RawField[] = [
    [1, 'o', string(destination === DRIVER ? '/org/freedesktop/DBus' : '/org/bus1/test')],
    [2, 's', string(of)],
    [3, 's', string(member)],
    [6, 's', string(destination)],
  ];
  if (body !== undefined) fields.push([8, 'g', signature(body[0])]);
  return rawMessage({ fields, serial, ...(body === undefined ? {} : { body: body[1] }) });
}
