import { adviceAt, errorAt } from './diagnostic.js';
import type { Diagnostic, SourcePosition } from './diagnostic.js';
import type { MappedInterface, Mapping, ObjectKind, ObjectPlace } from './mapping.js';
import { patternsOverlap } from './names.js';
import { STANDARD_INTERFACES } from './members.js';

/** Finds what is wrong, or probably not meant, in one mapping and between several. */
export function lintMappings(mappings: readonly Mapping[]): Diagnostic[] {
  return [...mappings.flatMap((mapping) => lintMapping(mapping)), ...lintNames(mappings)];
}

function lintMapping(mapping: Mapping): Diagnostic[] {
  return [
    ...ambiguousPaths(mapping),
    ...unusedObjects(mapping),
    ...orphanInterfaces(mapping),
    ...unknownMembers(mapping),
    ...neverKept(mapping),
  ];
}

/** Two kinds with the same pattern but for the names of variables: no path could tell them apart. */
function ambiguousPaths({ objects }: Mapping): Diagnostic[] {
  const seen = new Map<string, ObjectKind>();
  const findings: Diagnostic[] = [];
  for (const kind of objects.values()) {
    if (kind.only !== undefined || kind.owner === 'caller') continue;
    for (const { text, expression } of kind.paths) {
      const first = seen.get(expression.source);
      if (first === undefined) seen.set(expression.source, kind);
      else {
        const message = `${text} is a path of "${first.name}" (line ${first.at.line}), too`;
        findings.push(errorAt(kind.at, 'ambiguous-path', message));
      }
    }
  }
  return findings;
}

function placesIn({ methods, signals, properties }: MappedInterface): ObjectPlace[] {
  return [
    ...[...methods.values()].flatMap((method) => [...method.in, ...method.out]),
    ...[...signals.values()].flatMap(({ args }) => args),
    ...[...properties.values()].flatMap(({ places }) => places),
  ];
}

/** Whether such objects have fixed paths, as the standard ObjectManager has: they are reached without a place. */
function hasFixedPath({ owner, paths }: ObjectKind): boolean {
  return owner === 'service' && paths.every(({ variables }) => variables.length === 0);
}

/** Kinds that no native peer can ever get a handle to. */
function unusedObjects({ names, objects, interfaces }: Mapping): Diagnostic[] {
  const isManaged = [...objects.values()].some(({ isManager }) => isManager);
  const used = new Set([
    ...names.map(({ object }) => object),
    ...[...interfaces.values()].flatMap(placesIn).flatMap(({ kinds }) => kinds),
  ]);
  return [...objects.values()]
    .filter((kind) => !used.has(kind) && !hasFixedPath(kind))
    .filter(({ owner }) => !isManaged || owner === 'caller')
    .map(({ name, at }) =>
      adviceAt(at, 'unused-object', `no name and no place leads to an object "${name}"`),
    );
}

/** Interfaces that no object has, and those that objects mention only in `release` or `only`. */
function orphanInterfaces({ objects, interfaces }: Mapping): Diagnostic[] {
  const held = new Set([...objects.values()].flatMap((kind) => kind.interfaces));
  const orphan = (name: string, at: SourcePosition): Diagnostic[] =>
    held.has(name) || STANDARD_INTERFACES.has(name)
      ? []
      : [errorAt(at, 'orphan-interface', `no object has the interface ${name}`)];
  return [
    ...[...interfaces.values()].flatMap(({ name, at }) => orphan(name, at)),
    ...[...objects.values()].flatMap(({ interfaces: own, release, only, at }) =>
      [...(only?.keys() ?? []), ...(release ? [release.interface] : [])]
        .filter((name) => !own.includes(name))
        .map((name) => errorAt(at, 'orphan-interface', `this object does not have ${name}`)),
    ),
  ];
}

/** Members that are both described and left out, and native names that clash. */
function unknownMembers({ interfaces }: Mapping): Diagnostic[] {
  return [...interfaces.values()].flatMap(({ methods, signals, properties, leftOut }) => {
    const described = [...methods.values(), ...signals.values(), ...properties.values()];
    const natives = [...methods.values(), ...signals.values()].map((one) => one.nativeName);
    return [
      ...described
        .filter(({ name }) => leftOut === '*' || leftOut.has(name))
        .map(({ name, at }) =>
          errorAt(at, 'unknown-member', `${name} is left out, so its entry has no effect`),
        ),
      ...[...methods.values(), ...signals.values()]
        .filter(({ nativeName }, index) => natives.indexOf(nativeName) !== index)
        .map(({ nativeName, at }) =>
          errorAt(at, 'unknown-member', `there is another member called ${nativeName}`),
        ),
    ];
  });
}

/** Kept signals of objects that callers offer: only signals of the service's own objects are ever received. */
function neverKept({ objects, interfaces }: Mapping): Diagnostic[] {
  const ofService = [...objects.values()].filter(({ owner }) => owner === 'service');
  const heard = new Set(ofService.flatMap((kind) => kind.interfaces));
  return [...interfaces.values()]
    .filter(({ name }) => !heard.has(name) && !STANDARD_INTERFACES.has(name))
    .flatMap(({ signals }) => [...signals.values()])
    .filter(({ isKept }) => isKept)
    .map(({ name, at }) =>
      adviceAt(at, 'never-kept', `${name} is kept, but no object of the service sends it`),
    );
}

/** Names that several files, or several entries of one, are about. */
function lintNames(mappings: readonly Mapping[]): Diagnostic[] {
  const entries = mappings.flatMap(({ buses, names }) => names.map((name) => ({ buses, name })));
  return entries.flatMap(({ buses, name: { pattern, at } }, index) =>
    entries
      .slice(0, index)
      .filter(
        (earlier) =>
          earlier.buses.some((bus) => buses.includes(bus)) &&
          patternsOverlap(earlier.name.pattern, pattern),
      )
      .map(({ name: earlier }) => {
        const where = `${earlier.at.file}:${earlier.at.line}`;
        return earlier.pattern === pattern
          ? errorAt(at, 'duplicate-name', `${pattern} is mapped at ${where} already`)
          : adviceAt(at, 'overlapping-name', overlap(pattern, earlier.pattern, where));
      }),
  );
}

function overlap(pattern: string, other: string, where: string): string {
  return `${pattern} and ${other} (${where}) overlap: a name that both match follows the longer one`;
}
