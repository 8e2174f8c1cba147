import { singleType } from '#bridge/wire/signature.js';
import type { CompleteType } from '#bridge/wire/signature.js';
import { TypeCode } from '#bridge/wire/types.js';
import type { IntrospectedInterface, Property } from '#bridge/introspection/introspection.js';
import { interfacesIn } from '#bridge/introspection/known-interfaces.js';
import { draftKinds, hasMore, snakeCase } from './mappings-kinds.js';
import type { DraftKind } from './mappings-kinds.js';
import { pathOfName } from './mappings-survey.js';
import type { Survey } from './mappings-survey.js';

/**
 * Drafts a mapping from introspection data, which says which objects there are, and which arguments
 * and results are paths. It does not say to which kind of object a path leads: the kind is guessed
 * from names, and where they suggest none, the line is a comment. Throws if there are no objects.
 */
export function draftMapping(seen: Survey, bus: 'session' | 'system'): string {
  const kinds = draftKinds(seen.name, seen.objects, rootPath(seen));
  const root = kinds.find(({ isRoot }) => isRoot);
  if (root === undefined) throw new Error(`${seen.name} has no object that its name could lead to`);
  const others = kinds.filter((kind) => kind !== root);
  const known = interfacesIn(seen.objects.map(({ node }) => node));
  const sections = [...new Set(kinds.flatMap(({ interfaces }) => interfaces))]
    .map((name) => interfaceSection(known.get(name)!, others))
    .filter((section) => section.length > 0);
  const hasEntries = sections.flat().some((line) => !line.startsWith('#'));
  const lines = [
    `# ${seen.name}, from its introspection data.`,
    ...(seen.isCut ? ['# Not all of its objects were examined; there may be more kinds.'] : []),
    `service: ${seen.name}`,
    `bus: ${bus}`,
    'names:',
    `  ${seen.name}: ${root.name}`,
    'objects:',
    ...kinds.flatMap((kind) => kindSection(kind)),
    ...(hasEntries ? ['interfaces:'] : []),
    ...sections.flat(),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** The path of the object that the name itself leads to. */
function rootPath({ name, objects }: Survey): string | undefined {
  const telling = objects.filter((object) => hasMore(object)).map(({ path }) => path);
  const conventional = pathOfName(name);
  if (telling.includes(conventional)) return conventional;
  return telling.toSorted((a, b) => a.length - b.length)[0];
}

function kindSection({ name, paths, interfaces, isManager, count }: DraftKind): string[] {
  const isGuess = paths.some((path) => path.includes('{'));
  const path = paths.length === 1 ? [`    path: ${paths[0]}`] : list('path', paths);
  return [
    ...(isGuess ? [`  # ${count} of these existed.`] : []),
    `  ${name}:`,
    ...path,
    ...(interfaces.length === 1
      ? [`    interfaces: [${interfaces[0]}]`]
      : list('interfaces', interfaces)),
    ...(isManager ? ['    manager: true'] : []),
  ];
}

function list(key: string, values: readonly string[]): string[] {
  if (values.length === 0) return [`    ${key}: []`];
  return [`    ${key}:`, ...values.map((value) => `      - ${value}`)];
}

/** The section of an interface that has paths; empty if it has none. */
function interfaceSection(known: IntrospectedInterface, kinds: readonly DraftKind[]): string[] {
  const methods = known.methods.flatMap((method) => {
    const entries = [
      places('in', method.in, method.name, kinds),
      places('out', method.out, method.name, kinds),
    ];
    return memberLine(method.name, entries.flat());
  });
  const signals = known.signals.flatMap((signal) => {
    const args = places('args', signal.args, signal.name, kinds);
    const [first] = args;
    const ends = /(?:Removed|Deleted)$/.test(signal.name) && first?.kind !== undefined;
    return memberLine(signal.name, args, ends ? `, ends: ${first.place}` : '');
  });
  const properties = known.properties.flatMap((property) => propertyLine(property, kinds));
  const sections = [
    ...section('methods', methods),
    ...section('signals', signals),
    ...section('properties', properties),
  ];
  if (sections.length === 0) return [];
  const isComment = sections.every((line) => line.startsWith('#'));
  return [`${isComment ? '# ' : ''}  ${known.name}:`, ...sections];
}

function section(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const isComment = lines.every((line) => line.startsWith('#'));
  return [`${isComment ? '# ' : ''}    ${title}:`, ...lines];
}

interface DraftPlace {
  readonly part: 'in' | 'out' | 'args';
  readonly place: string;
  /** Undefined when nothing suggests one. */
  readonly kind: string | undefined;
}

function places(
  part: DraftPlace['part'],
  args: readonly { readonly name: string; readonly type: string }[],
  member: string,
  kinds: readonly DraftKind[],
): DraftPlace[] {
  return args.flatMap(({ name, type }, index) =>
    pathsIn(singleType(type)).map((steps) => ({
      part,
      place: [String(index), ...steps].join('.'),
      kind: guessKind([name, member], kinds),
    })),
  );
}

function memberLine(name: string, entries: readonly DraftPlace[], more = ''): string[] {
  if (entries.length === 0) return [];
  const parts = (['in', 'out', 'args'] as const)
    .map((part) => ({ part, ofPart: entries.filter((entry) => entry.part === part) }))
    .filter(({ ofPart }) => ofPart.length > 0)
    .map(({ part, ofPart }) => {
      const all = ofPart.map(({ place, kind }) => `${place}: ${kind ?? '?'}`);
      return `${part}: { ${all.join(', ')} }`;
    });
  const line = `      ${name}: { ${parts.join(', ')}${more} }`;
  return [entries.some(({ kind }) => kind === undefined) ? unknownKind(line) : line];
}

function propertyLine({ name, type }: Property, kinds: readonly DraftKind[]): string[] {
  const found = pathsIn(singleType(type)).map((steps) => steps.join('.'));
  if (found.length === 0) return [];
  const kind = guessKind([name], kinds);
  const all = found.map((place) => `${place}: ${kind ?? '?'}`).join(', ');
  const line = `      ${name}: ${found[0] === '' ? (kind ?? '?') : `{ ${all} }`}`;
  return [kind === undefined ? unknownKind(line) : line];
}

function unknownKind(line: string): string {
  return `# ${line}  # which kind of object?`;
}

/** The steps to each path inside a value of this type. */
function pathsIn(type: CompleteType): string[][] {
  const under = (step: string, inner: CompleteType): string[][] =>
    pathsIn(inner).map((steps) => [step, ...steps]);
  if (type.code === TypeCode.ObjectPath) return [[]];
  if (type.code === TypeCode.StructBegin) {
    return type.children.flatMap((field, index) => under(String(index), field));
  }
  if (type.code !== TypeCode.Array) return [];
  const { element } = type;
  if (element.code !== TypeCode.DictEntryBegin) return under('each', element);
  return [...under('keys', element.key), ...under('each', element.value)];
}

/** The kind that the names of a member and an argument suggest: the first name with one counts. */
function guessKind(names: readonly string[], kinds: readonly DraftKind[]): string | undefined {
  for (const name of names) {
    const words = `_${snakeCase(name).replaceAll('-', '_')}_`;
    const suggested = kinds.filter(
      (kind) => words.includes(`_${kind.name}_`) || words.includes(`_${kind.name}s_`),
    );
    const [best] = suggested.toSorted((a, b) => b.name.length - a.name.length);
    if (best !== undefined) return best.name;
  }
  return undefined;
}
