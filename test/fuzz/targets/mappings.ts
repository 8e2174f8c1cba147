import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  endedObjects,
  parseMapping,
  permits,
  toLegacy,
  toLegacyMember,
  toNative,
} from '#mappings/index.js';
import type { Mapping, MappedMessage } from '#mappings/index.js';
import type { Random } from '../../core/random.js';
import { ROOT } from '../../support/bus-command.js';
import { mutatedText } from '../random-text.js';
import type { Target } from '../target.js';

interface Step {
  readonly text: string;
  readonly body: readonly unknown[];
}

const FOLDER = join(ROOT, 'mappings');
const SHIPPED = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => readFileSync(join(FOLDER, name), 'utf8'));
const WORDS = [
  'service',
  'bus',
  'names',
  'objects',
  'interfaces',
  'methods',
  'signals',
  'properties',
  'as',
  'in',
  'out',
  'ends',
  'self',
  'leave_out',
  'only',
  'release',
  'path',
  'direction',
  'export',
  'import',
  'uplinks',
  'allow',
  'manager',
  'owner',
  'caller',
  '0.each',
  '0.keys',
  '1.each.0',
  'root',
  "'/{a}/{b...}'",
  "'/{'",
  'system',
  'session',
  '{}',
  '[]',
  '0',
  '9999999999',
];
const PATHS = ['/', '/a', '/org/freedesktop/UPower/devices/x', '//', '', 'a', '/{id}'];

function anyValue(random: Random, depth = 0): unknown {
  if (depth > 4 || random.chance(0.5))
    return random.pick<unknown>([...PATHS, 0, 1n, -1, true, null, undefined, NaN]);
  const values = Array.from({ length: random.below(4) }, () => anyValue(random, depth + 1));
  if (random.chance(0.3)) return Object.fromEntries(values.map((value, i) => [String(i), value]));
  return random.chance(0.2) ? { signature: 'o', value: values[0] } : values;
}

function generate(random: Random): Step[] {
  return Array.from({ length: 1 + random.below(20) }, () => ({
    text: mutatedText(random, random.pick(SHIPPED), WORDS),
    // Plain data: a find is kept as JSON.
    body: JSON.parse(
      JSON.stringify([anyValue(random), anyValue(random)], (_key, value: unknown) =>
        typeof value === 'bigint' ? Number(value) : value,
      ),
    ) as unknown[],
  }));
}

/** Goes through all that a bus does with a mapping. */
function use(mapping: Mapping, body: readonly unknown[]): void {
  for (const [interfaceName, { methods }] of mapping.interfaces) {
    for (const member of [...methods.keys(), 'Nonsense']) {
      toLegacyMember(mapping, { interface: interfaceName, member });
      const message: MappedMessage = { part: 'call', interface: interfaceName, member };
      for (const kind of mapping.objects.values())
        permits(mapping, kind, { interface: interfaceName, member }, [...body]);
      toLegacy(mapping, message, [...body], (handle) => handle);
      toNative(mapping, { ...message, part: 'return', call: body }, [...body], (path) => path);
      endedObjects(mapping, { ...message, part: 'signal' }, [...body], '/');
    }
  }
}

/** Mapping files, and bodies of messages that they are applied to. */
export const mappings: Target = {
  needsBus: false,
  generate,
  perform(steps) {
    for (const { text, body } of steps as Step[]) {
      const result = parseMapping(text, 'fuzzed.yaml');
      if ('mapping' in result) use(result.mapping, body);
    }
    return steps.length;
  },
};
