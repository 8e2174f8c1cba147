import { singleType } from '#bridge/wire/signature.js';
import type { CompleteType } from '#bridge/wire/signature.js';
import { TypeCode } from '#bridge/wire/types.js';
import { adviceAt, closest, errorAt } from '#mappings/index.js';
import type {
  Diagnostic,
  Ending,
  MappedInterface,
  Mapping,
  MemberReference,
  ObjectKind,
  ObjectPlace,
  Place,
  SourcePosition,
  Step,
} from '#mappings/index.js';
import type { KnownInterfaces } from './known-interfaces.js';
import type { Argument, IntrospectedInterface } from './introspection.js';

export interface CheckOptions {
  /**
   * Whether `known` is all that the service can have. Otherwise a missing interface or member is only advice:
   * it may belong to an object that does not exist at the moment, or to another version.
   */
  readonly isComplete: boolean;
}

/** Diagnostics for all that a mapping says and introspection data does not confirm. */
export function checkMapping(
  mapping: Mapping,
  known: KnownInterfaces,
  options: CheckOptions,
): Diagnostic[] {
  return new MappingCheck(known, options).check(mapping);
}

class MappingCheck {
  readonly #known: KnownInterfaces;
  readonly #isComplete: boolean;
  readonly #diagnostics: Diagnostic[] = [];
  readonly #missing = new Set<string>();

  constructor(known: KnownInterfaces, { isComplete }: CheckOptions) {
    this.#known = known;
    this.#isComplete = isComplete;
  }

  check(mapping: Mapping): Diagnostic[] {
    for (const kind of mapping.objects.values()) this.#checkKind(kind);
    for (const mapped of mapping.interfaces.values()) this.#checkInterface(mapped);
    return this.#diagnostics;
  }

  #interface(name: string, at: SourcePosition): IntrospectedInterface | undefined {
    const found = this.#known.get(name);
    if (found !== undefined || this.#missing.has(name)) return found;
    this.#missing.add(name);
    this.#report(at, `the service has no interface ${name}${hint(name, this.#known.keys())}`);
    return undefined;
  }

  #report(at: SourcePosition, message: string): void {
    const make = this.#isComplete ? errorAt : adviceAt;
    this.#diagnostics.push(make(at, 'not-introspected', message));
  }

  #member<Member extends { readonly name: string }>(
    { name: owner }: IntrospectedInterface,
    what: string,
    members: readonly Member[],
    { name, at }: { readonly name: string; readonly at: SourcePosition },
  ): Member | undefined {
    const found = members.find((member) => member.name === name);
    if (found !== undefined) return found;
    const names = members.map((member) => member.name);
    this.#report(at, `${owner} has no ${what} ${name}${hint(name, names)}`);
    return undefined;
  }

  #checkKind({ interfaces, owner, release, only, at }: ObjectKind): void {
    // A service's introspection data does not describe objects that a caller offers to it.
    if (owner === 'caller') return;
    for (const name of interfaces) this.#interface(name, at);
    if (release !== undefined) this.#checkRelease(release, at);
    for (const [name, members] of only ?? []) {
      const known = this.#interface(name, at);
      if (known !== undefined && members !== '*') this.#checkAnyMembers(known, members, at);
    }
  }

  #checkRelease(release: MemberReference, at: SourcePosition): void {
    const known = this.#interface(release.interface, at);
    const method =
      known && this.#member(known, 'method', known.methods, { name: release.member, at });
    if (method === undefined || method.in.length === 0) return;
    const message = `${release.interface}.${release.member} takes arguments, so it cannot be "release"`;
    this.#diagnostics.push(errorAt(at, 'wrong-type', message));
  }

  #checkAnyMembers(
    known: IntrospectedInterface,
    names: Iterable<string>,
    at: SourcePosition,
  ): void {
    const members = [...known.methods, ...known.signals, ...known.properties];
    for (const name of names) this.#member(known, 'member', members, { name, at });
  }

  #checkInterface(mapped: MappedInterface): void {
    const known = this.#interface(mapped.name, mapped.at);
    if (known === undefined) return;
    for (const mappedMethod of mapped.methods.values()) {
      const method = this.#member(known, 'method', known.methods, mappedMethod);
      if (method === undefined) continue;
      this.#checkArguments(mappedMethod.in, method.in, 'argument');
      this.#checkArguments(mappedMethod.out, method.out, 'result');
      this.#checkEnding(mappedMethod, method.in);
    }
    for (const mappedSignal of mapped.signals.values()) {
      const signal = this.#member(known, 'signal', known.signals, mappedSignal);
      if (signal === undefined) continue;
      this.#checkArguments(mappedSignal.args, signal.args, 'argument');
      this.#checkEnding(mappedSignal, signal.args);
    }
    for (const mappedProperty of mapped.properties.values()) {
      const property = this.#member(known, 'property', known.properties, mappedProperty);
      if (property === undefined) continue;
      const type = singleType(property.type);
      for (const { place, text, at } of mappedProperty.places) {
        this.#checkPlace(type, place, `${mappedProperty.name}${text && ` at ${text}`}`, at);
      }
    }
    if (mapped.leftOut !== '*') this.#checkAnyMembers(known, mapped.leftOut, mapped.at);
  }

  #checkArguments(places: readonly ObjectPlace[], args: readonly Argument[], what: string): void {
    for (const { place, text, at } of places)
      this.#checkArgument(place, args, `${what} ${text}`, at);
  }

  #checkEnding(
    { ends, at }: { readonly ends?: Ending; readonly at: SourcePosition },
    args: readonly Argument[],
  ): void {
    if (ends !== undefined && ends !== 'self') this.#checkArgument(ends, args, 'ends', at);
  }

  #checkArgument(
    [first, ...rest]: Place,
    args: readonly Argument[],
    title: string,
    at: SourcePosition,
  ): void {
    const argument = first?.take === 'field' ? args[first.index] : undefined;
    if (argument !== undefined) {
      return this.#checkPlace(singleType(argument.type), rest, title, at);
    }
    const message = `${title}: there are only ${args.length}, counted from 0`;
    this.#diagnostics.push(errorAt(at, 'wrong-type', message));
  }

  #checkPlace(type: CompleteType, place: Place, title: string, at: SourcePosition): void {
    const found = typeAt(type, place);
    if (found !== undefined && OBJECT_TYPES.has(found.text)) return;
    const what = found === undefined ? 'no such place' : `${found.text}, not an object path`;
    const message = `${title}: in a value of type ${type.text} that is ${what}`;
    this.#diagnostics.push(errorAt(at, 'wrong-type', message));
  }
}

/** A path; a bus name and a path; a variant, whose type only a message shows. */
const OBJECT_TYPES: ReadonlySet<string> = new Set(['o', '(so)', 'v']);

/** The type of the value at a place; undefined if there cannot be such a place. */
export function typeAt(type: CompleteType, place: Place): CompleteType | undefined {
  let found: CompleteType | undefined = type;
  for (const step of place) {
    if (found === undefined || found.code === TypeCode.Variant) return found;
    found = stepInto(found, step);
  }
  return found;
}

function stepInto(type: CompleteType, step: Step): CompleteType | undefined {
  if (type.code === TypeCode.StructBegin) {
    return step.take === 'field' ? type.children[step.index] : undefined;
  }
  if (type.code !== TypeCode.Array) return undefined;
  const { element } = type;
  if (element.code !== TypeCode.DictEntryBegin) return step.take === 'each' ? element : undefined;
  if (step.take === 'keys') return element.key;
  return step.take === 'each' || element.key.text === 's' ? element.value : undefined;
}

function hint(name: string, candidates: Iterable<string>): string {
  const suggestion = closest(name, [...candidates]);
  return suggestion === undefined ? '' : `; did you mean ${suggestion}?`;
}
