import { closest } from './closest.js';
import { byPosition, errorAt } from './diagnostic.js';
import type { Diagnostic, DiagnosticCode, SourcePosition } from './diagnostic.js';
import { MappingDocument } from './document.js';
import type { DocumentPath } from './document.js';
import { isConfinement } from './mapping.js';
import type {
  Ending,
  MappedInterface,
  MappedMethod,
  MappedName,
  MappedProperty,
  MappedSignal,
  Mapping,
  MemberReference,
  MemberSet,
  ObjectKind,
  ObjectPlace,
  UplinkGrant,
} from './mapping.js';
import { isInterfaceName, isMemberName, isNamePattern } from './names.js';
import { parsePathPattern } from './path-pattern.js';
import type { PathPattern } from './path-pattern.js';
import { parsePlace } from './place.js';
import type { InterfaceEntry, MappingFile, NameEntry, ObjectEntry, PlacesEntry } from './schema.js';

export type ParseResult =
  | { readonly mapping: Mapping }
  | { readonly diagnostics: readonly Diagnostic[] };

const GRANT =
  /^(?:(uid):(\d{1,10}|\*)|(root):(\/\S*|\*)|(flatpak):([\w.-]+|\*)|(snap):([\w-]+|\*))$/;

/**
 * Reads a mapping file (docs/mappings.md). `file` is what diagnostics call it. A file with an error
 * yields no mapping, and all the errors that could be found.
 */
export function parseMapping(text: string, file: string): ParseResult {
  const document = new MappingDocument(text, file);
  const result = document.read();
  return 'file' in result ? new MappingReader(document, result.file, file).read() : result;
}

class MappingReader {
  readonly #document: MappingDocument;
  readonly #values: MappingFile;
  readonly #file: string;
  readonly #objects = new Map<string, ObjectKind>();
  readonly #diagnostics: Diagnostic[] = [];

  constructor(document: MappingDocument, values: MappingFile, file: string) {
    this.#document = document;
    this.#values = values;
    this.#file = file;
  }

  read(): ParseResult {
    for (const [name, entry] of Object.entries(this.#values.objects)) {
      this.#objects.set(name, this.#object(name, entry));
    }
    const interfaces = Object.entries(this.#values.interfaces);
    const mapping: Mapping = {
      file: this.#file,
      service: this.#values.service,
      buses: [this.#values.bus].flat(),
      names: Object.entries(this.#values.names).flatMap((entry) => this.#name(...entry)),
      objects: this.#objects,
      interfaces: new Map(interfaces.map(([name, entry]) => [name, this.#interface(name, entry)])),
      uplinks: (this.#values.uplinks?.allow ?? []).flatMap((text, index) =>
        this.#grant(text, ['uplinks', 'allow', index]),
      ),
    };
    const diagnostics = this.#diagnostics.toSorted(byPosition);
    return diagnostics.length > 0 ? { diagnostics } : { mapping };
  }

  #error(at: SourcePosition, code: DiagnosticCode, message: string): void {
    this.#diagnostics.push(errorAt(at, code, message));
  }

  #object(name: string, entry: ObjectEntry): ObjectKind {
    const path = ['objects', name];
    for (const [index, one] of entry.interfaces.entries()) {
      this.#checkInterface(one, this.#document.valueAt([...path, 'interfaces', index]));
    }
    const release = entry.release && this.#memberReference(entry.release, [...path, 'release']);
    return {
      name,
      paths: asList(entry.path).flatMap((text) => this.#path(text, [...path, 'path'])),
      interfaces: entry.interfaces,
      owner: entry.owner,
      isManager: entry.manager,
      ...(release && { release }),
      ...(entry.only && { only: this.#only(entry.only, [...path, 'only']) }),
      at: this.#document.keyAt(path),
    };
  }

  #path(text: string, path: DocumentPath): PathPattern[] {
    const pattern = parsePathPattern(text);
    if (typeof pattern !== 'string') return [pattern];
    this.#error(this.#document.valueAt(path), 'bad-path', pattern);
    return [];
  }

  #memberReference(text: string, path: DocumentPath): MemberReference | undefined {
    const dot = text.lastIndexOf('.');
    const reference = { interface: text.slice(0, Math.max(dot, 0)), member: text.slice(dot + 1) };
    if (isInterfaceName(reference.interface) && isMemberName(reference.member)) return reference;
    const message = `"${text}" is not an interface and method with a dot between them`;
    this.#error(this.#document.valueAt(path), 'bad-name', message);
    return undefined;
  }

  #only(
    entry: Readonly<Record<string, '*' | readonly string[]>>,
    path: DocumentPath,
  ): ReadonlyMap<string, MemberSet> {
    return new Map(
      Object.entries(entry).map(([name, members]) => {
        this.#checkInterface(name, this.#document.keyAt([...path, name]));
        return [name, this.#members(members, [...path, name])];
      }),
    );
  }

  #members(members: '*' | readonly string[], path: DocumentPath): MemberSet {
    if (members === '*') return members;
    for (const [index, member] of members.entries()) {
      this.#checkMember(member, this.#document.valueAt([...path, index]));
    }
    return new Set(members);
  }

  #name(pattern: string, entry: NameEntry): MappedName[] {
    const path = ['names', pattern];
    const at = this.#document.keyAt(path);
    if (!isNamePattern(pattern)) {
      const message = `"${pattern}" is neither a well-known bus name nor one followed by ".*"`;
      this.#error(at, 'bad-name', message);
      return [];
    }
    const name = typeof entry === 'string' ? entry : entry.object;
    const object = this.#kind(name, this.#document.valueAt(path));
    if (object === undefined) return [];
    const [only, ...others] = object.paths;
    if (only === undefined || only.variables.length > 0 || others.length > 0) {
      const message = `${pattern} must lead to one object, but "${name}" has many paths`;
      this.#error(this.#document.valueAt(path), 'bad-path', message);
    }
    const own = typeof entry === 'string' ? undefined : entry.direction;
    return [{ pattern, object, direction: own ?? this.#values.direction, at }];
  }

  #kind(name: string, at: SourcePosition): ObjectKind | undefined {
    const kind = this.#objects.get(name);
    if (kind !== undefined) return kind;
    const suggestion = closest(name, [...this.#objects.keys()]);
    const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
    this.#error(at, 'unknown-object', `"${name}" is not among the objects${hint}`);
    return undefined;
  }

  #interface(name: string, entry: InterfaceEntry): MappedInterface {
    const path = ['interfaces', name];
    const at = this.#document.keyAt(path);
    this.#checkInterface(name, at);
    if (entry.as !== undefined)
      this.#checkInterface(entry.as, this.#document.valueAt([...path, 'as']));
    const each = <Entry, Member>(
      section: 'methods' | 'signals' | 'properties',
      entries: Readonly<Record<string, Entry>>,
      read: (member: string, entry: Entry, path: DocumentPath) => Member,
    ): ReadonlyMap<string, Member> =>
      new Map(
        Object.entries(entries).map(([member, one]) => [
          member,
          read(member, one, [...path, section, member]),
        ]),
      );
    return {
      name,
      nativeName: entry.as ?? name,
      methods: each('methods', entry.methods, (...args) => this.#method(...args)),
      signals: each('signals', entry.signals, (...args) => this.#signal(...args)),
      properties: each('properties', entry.properties, (...args) => this.#property(...args)),
      leftOut: this.#members(entry.leave_out, [...path, 'leave_out']),
      at,
    };
  }

  #method(
    name: string,
    entry: InterfaceEntry['methods'][string],
    path: DocumentPath,
  ): MappedMethod {
    return {
      ...this.#member(name, entry, path),
      in: this.#places(entry.in, [...path, 'in']),
      out: this.#places(entry.out, [...path, 'out']),
    };
  }

  #signal(
    name: string,
    entry: InterfaceEntry['signals'][string],
    path: DocumentPath,
  ): MappedSignal {
    if (entry.kept && entry.ends !== undefined && entry.ends !== 'self') {
      const message = `"${entry.ends}" is not possible here: a kept signal can end "self" or nothing`;
      this.#error(this.#document.valueAt([...path, 'ends']), 'bad-place', message);
    }
    return {
      ...this.#member(name, entry, path),
      args: this.#places(entry.args, [...path, 'args']),
      isKept: entry.kept,
    };
  }

  #member(
    name: string,
    entry: { readonly as?: string | undefined; readonly ends?: string | undefined },
    path: DocumentPath,
  ): { name: string; nativeName: string; ends?: Ending; at: SourcePosition } {
    const at = this.#document.keyAt(path);
    this.#checkMember(name, at);
    if (entry.as !== undefined)
      this.#checkMember(entry.as, this.#document.valueAt([...path, 'as']));
    const ends = entry.ends && this.#ending(entry.ends, [...path, 'ends']);
    return { name, nativeName: entry.as ?? name, ...(ends && { ends }), at };
  }

  #ending(text: string, path: DocumentPath): Ending | undefined {
    if (text === 'self') return text;
    const place = parsePlace(text);
    if (place?.[0]?.take === 'field') return place;
    const message = `"${text}" is neither "self" nor a place in the arguments, such as 0`;
    this.#error(this.#document.valueAt(path), 'bad-place', message);
    return undefined;
  }

  #property(
    name: string,
    entry: InterfaceEntry['properties'][string],
    path: DocumentPath,
  ): MappedProperty {
    const at = this.#document.keyAt(path);
    if (typeof entry !== 'string' && !Array.isArray(entry)) {
      return { name, places: this.#places(entry, path, true), at };
    }
    return { name, places: this.#place('', entry, path, at), at };
  }

  #places(entries: PlacesEntry, path: DocumentPath, isInValue = false): ObjectPlace[] {
    return Object.entries(entries).flatMap(([text, kinds]) => {
      const at = this.#document.keyAt([...path, text]);
      const first = parsePlace(text)?.[0];
      if (isInValue ? first !== undefined : first?.take === 'field') {
        return this.#place(text, kinds, [...path, text], at);
      }
      const rule = isInValue
        ? 'in the value, such as each.1'
        : 'in the arguments, such as 0.each.1';
      this.#error(at, 'bad-place', `"${text}" is not a place ${rule}`);
      return [];
    });
  }

  #place(
    text: string,
    kinds: string | readonly string[],
    path: DocumentPath,
    at: SourcePosition,
  ): ObjectPlace[] {
    const position = this.#document.valueAt(path);
    const known = asList(kinds).flatMap((kind) => this.#kind(kind, position) ?? []);
    return [{ place: parsePlace(text) ?? [], text, kinds: known, at }];
  }

  #grant(text: string, path: DocumentPath): UplinkGrant[] {
    const [, confinement, id] = GRANT.exec(text)?.filter((part) => part !== undefined) ?? [];
    if (confinement !== undefined && id !== undefined && isConfinement(confinement)) {
      return [{ confinement, id }];
    }
    const forms = 'uid:1000, flatpak:org.example.App, snap:name or root:/path';
    const message = `"${text}" names no client: ${forms}, with * for all of that kind`;
    this.#error(this.#document.valueAt(path), 'bad-grant', message);
    return [];
  }

  #checkInterface(name: string, at: SourcePosition): void {
    if (!isInterfaceName(name)) this.#error(at, 'bad-name', `"${name}" is not an interface name`);
  }

  #checkMember(name: string, at: SourcePosition): void {
    if (!isMemberName(name)) this.#error(at, 'bad-name', `"${name}" is not a member name`);
  }
}

function asList(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value;
}
