import * as v from 'valibot';

/*
 * The shape of a mapping file, docs/mappings.md. Scalars arrive as text, whatever they look like:
 * YAML would take the place `0.10` for a number.
 */

const Text = v.pipe(v.string(), v.nonEmpty('this must not be empty'));
const TextList = v.array(Text);
const TextOrList = v.union([Text, TextList]);
const Paths = v.union([Text, v.pipe(TextList, v.nonEmpty('this must not be empty'))]);
const Boolean = v.pipe(
  v.picklist(['true', 'false']),
  v.transform((text) => text === 'true'),
);

/** Kinds of objects by the places where their paths stand. */
const Places = v.record(v.string(), TextOrList);

const Method = v.strictObject({
  as: v.optional(Text),
  in: v.optional(Places, {}),
  out: v.optional(Places, {}),
  ends: v.optional(Text),
});

const Signal = v.strictObject({
  as: v.optional(Text),
  args: v.optional(Places, {}),
  ends: v.optional(Text),
  kept: v.optional(Boolean, 'false'),
});

const Members = v.union([v.literal('*'), TextList]);

const Interface = v.strictObject({
  as: v.optional(Text),
  methods: v.optional(v.record(v.string(), Method), {}),
  signals: v.optional(v.record(v.string(), Signal), {}),
  properties: v.optional(v.record(v.string(), v.union([TextOrList, Places])), {}),
  leave_out: v.optional(Members, []),
});

const ObjectKind = v.strictObject({
  path: Paths,
  interfaces: TextList,
  owner: v.optional(v.picklist(['service', 'caller']), 'service'),
  manager: v.optional(Boolean, 'false'),
  release: v.optional(Text),
  only: v.optional(v.record(v.string(), Members)),
});

const Bus = v.picklist(['session', 'system', 'accessibility']);
const Direction = v.picklist(['import', 'export']);

export const MappingFile = v.strictObject({
  service: Text,
  bus: v.union([Bus, v.array(Bus)]),
  direction: v.optional(Direction, 'import'),
  names: v.record(
    v.string(),
    v.union([Text, v.strictObject({ object: Text, direction: v.optional(Direction) })]),
  ),
  objects: v.record(v.string(), ObjectKind),
  interfaces: v.optional(v.record(v.string(), Interface), {}),
  uplinks: v.optional(v.strictObject({ allow: TextList })),
});
export type MappingFile = v.InferOutput<typeof MappingFile>;
export type NameEntry = MappingFile['names'][string];
export type InterfaceEntry = v.InferOutput<typeof Interface>;
export type ObjectEntry = v.InferOutput<typeof ObjectKind>;
export type PlacesEntry = v.InferOutput<typeof Places>;

/** The part of a schema that says what it consists of. */
interface SchemaShape {
  readonly type: string;
  readonly entries?: Readonly<Record<string, SchemaShape>>;
  readonly value?: SchemaShape;
  readonly item?: SchemaShape;
  readonly wrapped?: SchemaShape;
  readonly options?: readonly (SchemaShape | string)[];
}

/** The keys that the file may have where `path` leads. */
export function keysAt(path: readonly string[]): readonly string[] {
  return shapesAt(MappingFile, path).flatMap(({ entries }) => Object.keys(entries ?? {}));
}

function shapesAt(shape: SchemaShape, path: readonly string[]): readonly SchemaShape[] {
  if (shape.wrapped !== undefined) return shapesAt(shape.wrapped, path);
  const options = (shape.options ?? []).filter((option) => typeof option === 'object');
  if (options.length > 0) return options.flatMap((option) => shapesAt(option, path));
  const [key, ...rest] = path;
  if (key === undefined) return [shape];
  const next = shape.entries?.[key] ?? shape.item ?? shape.value;
  return next === undefined ? [] : shapesAt(next, rest);
}
