import type {
  Annotations,
  Argument,
  IntrospectedInterface,
  Method,
  Property,
  Signal,
} from '#bridge/introspection/introspection.js';
import { objectKey, stringLiteral } from './identifiers.js';
import { bracketed, group, indented, line, print, type Layout } from './layout.js';

/**
 * Members of every object, as lib.es5.d.ts declares them. For these keys the compiler expects the types
 * declared there, not those of InterfaceDescription, and widens `'read'` to string.
 */
const OBJECT_MEMBERS = new Set(
  `constructor hasOwnProperty isPrototypeOf propertyIsEnumerable toLocaleString toString
  valueOf`.split(/\s+/),
);

/** The InterfaceDescription of an interface as an object; `depth` is the indentation of its end. */
export function descriptionValue(described: IntrospectedInterface, depth = 0): string {
  const { name, methods, signals, properties, annotations } = described;
  const propertyEntries = properties.map((property) => propertyEntry(property, annotations));
  const entries = [
    print([entry('name', name), ','], depth + 1),
    members('methods', methods.map(methodEntry), depth + 1),
    members('signals', signals.map(signalEntry), depth + 1),
    members('properties', propertyEntries, depth + 1),
  ];
  return ['{', ...entries, print('}', depth)].join('\n');
}

function members(key: string, entries: readonly Layout[], depth: number): string {
  if (entries.length === 0) return print(`${key}: {},`, depth);
  const lines = entries.map((one) => print([one, ','], depth + 1));
  return [print(`${key}: {`, depth), ...lines, print('},', depth)].join('\n');
}

function methodEntry({ name, in: args, out, annotations }: Method): Layout {
  const noReply = annotations.get('org.freedesktop.DBus.Method.NoReply') === 'true';
  return object(name, [
    entry('in', signatureOf(args)),
    entry('out', signatureOf(out)),
    ...(noReply ? ['noReply: true'] : []),
  ]);
}

function signalEntry({ name, args }: Signal): Layout {
  return object(name, [entry('args', signatureOf(args))]);
}

function propertyEntry({ name, type, access, annotations }: Property, ofAll: Annotations): Layout {
  const annotation = 'org.freedesktop.DBus.Property.EmitsChangedSignal';
  const emitsChanged = annotations.get(annotation) ?? ofAll.get(annotation);
  return object(name, [
    entry('type', type),
    entry('access', access),
    ...(isUnusual(emitsChanged) ? [entry('emitsChanged', emitsChanged)] : []),
  ]);
}

/** Whether InterfaceDescription has this value; all others mean `true`, the specification's default. */
function isUnusual(emitsChanged: string | undefined): emitsChanged is string {
  return emitsChanged !== undefined && /^(?:invalidates|const|false)$/.test(emitsChanged);
}

function signatureOf(args: readonly Argument[]): string {
  return args.map(({ type }) => type).join('');
}

function object(name: string, entries: readonly Layout[]): Layout {
  const value = bracketed('{', entries, '}', { padding: line });
  return [`${objectKey(name)}: `, value, OBJECT_MEMBERS.has(name) ? ' as const' : ''];
}

/** The formatter puts a text that is too long for the line on the next one. */
function entry(key: string, text: string): Layout {
  return group(`${key}:`, indented(line, stringLiteral(text)));
}
