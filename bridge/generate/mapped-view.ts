import type {
  Argument,
  IntrospectedInterface,
  Property,
} from '#bridge/introspection/introspection.js';
import {
  isVisible,
  toNativeInterface,
  toNativeMember,
  type Mapping,
  type ObjectPlace,
} from '#mappings/index.js';
import { documentationKey, type Documentation, type MemberKind } from './documentation.js';
import type { MemberDocumentation } from './documentation-text.js';

/** Interfaces as seen by programs that reach a service by its mapping. */
export interface MappedView {
  /** in the order of those that it was made of */
  readonly interfaces: readonly IntrospectedInterface[];
  readonly documentation: Documentation;
  /** Where arguments and properties, which are those in `interfaces`, hold objects: steps into the value itself. */
  readonly places: ReadonlyMap<Argument | Property, readonly ObjectPlace[]>;
}

/** Members that the mapping leaves out are missing; the others have the names that it gives them. */
export function mappedView(
  mapping: Mapping,
  interfaces: readonly IntrospectedInterface[],
  documentation: Documentation,
): MappedView {
  const documented = new Map<string, MemberDocumentation>();
  const places = new Map<Argument | Property, readonly ObjectPlace[]>();
  const document = (from: string, to: string): void => {
    const text = documentation.get(from);
    if (text !== undefined) documented.set(to, text);
  };
  const view = (described: IntrospectedInterface): IntrospectedInterface => {
    const { name: legacy } = described;
    const name = toNativeInterface(mapping, legacy);
    const seen = <M extends { readonly name: string }>(kind: MemberKind, all: readonly M[]): M[] =>
      all
        .filter((one) => isVisible(mapping, { interface: legacy, member: one.name }))
        .map((one) => {
          const native = nativeName(mapping, legacy, kind, one.name);
          document(documentationKey(legacy, kind, one.name), documentationKey(name, kind, native));
          return { ...one, name: native };
        });
    document(documentationKey(legacy), documentationKey(name));
    const result = {
      ...described,
      name,
      methods: seen('method', described.methods),
      signals: seen('signal', described.signals),
      properties: seen('property', described.properties),
    };
    for (const [holder, held] of placesOf(mapping, described, result.properties)) {
      places.set(holder, held);
    }
    return result;
  };
  return { interfaces: interfaces.map(view), documentation: documented, places };
}

function nativeName(mapping: Mapping, of: string, kind: MemberKind, member: string): string {
  /* no property has another name */
  return kind === 'property' ? member : toNativeMember(mapping, { interface: of, member }).member;
}

type Held = readonly [Argument | Property, readonly ObjectPlace[]];

function placesOf(
  mapping: Mapping,
  { name, methods, signals }: IntrospectedInterface,
  properties: readonly Property[],
): Held[] {
  const mapped = mapping.interfaces.get(name);
  if (mapped === undefined) return [];
  return [
    ...methods.flatMap(({ name: method, in: args, out }) => [
      ...placesIn(args, mapped.methods.get(method)?.in),
      ...placesIn(out, mapped.methods.get(method)?.out),
    ]),
    ...signals.flatMap(({ name: signal, args }) =>
      placesIn(args, mapped.signals.get(signal)?.args),
    ),
    ...properties.map((one): Held => [one, mapped.properties.get(one.name)?.places ?? []]),
  ];
}

/** The first step of a place in a body is the index of the argument. */
function placesIn(args: readonly Argument[], places: readonly ObjectPlace[] = []): Held[] {
  return args.map((argument, index) => [
    argument,
    places.flatMap((one) => {
      const [first, ...rest] = one.place;
      return first?.take === 'field' && first.index === index ? [{ ...one, place: rest }] : [];
    }),
  ]);
}
