// Random interfaces: what is generated compiles, and describes them, in values and in types.
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { InterfaceDescription } from '#bridge/client/interface-description.js';
import { stringLiteral } from '#bridge/generate/identifiers.js';
import { interfaceModule } from '#bridge/generate/interface-module.js';
import type {
  Annotations,
  Argument,
  IntrospectedInterface,
} from '#bridge/introspection/introspection.js';
import { compile } from './compiler.js';
import { randomInterfaces } from './random-interface.js';
import { WIRE_TYPES } from './wire-types.js';

/** GENERATE_SEED repeats a run. */
const SEED = Number(process.env['GENERATE_SEED'] ?? Date.now() % 0x7fffffff);
const MODULES = 60;

const signature = (args: readonly Argument[]): string => args.map(({ type }) => type).join('');

/** An object that may have `__proto__` among its keys. */
function record<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  return Object.fromEntries(entries);
}

function emitsChanged(own: Annotations, inherited: Annotations): object {
  const name = 'org.freedesktop.DBus.Property.EmitsChangedSignal';
  const said = own.get(name) ?? inherited.get(name) ?? 'true';
  return ['invalidates', 'const', 'false'].includes(said) ? { emitsChanged: said } : {};
}

function describe(described: IntrospectedInterface): InterfaceDescription {
  const noReply = 'org.freedesktop.DBus.Method.NoReply';
  return {
    name: described.name,
    methods: record(
      described.methods.map((one) => [
        one.name,
        {
          in: signature(one.in),
          out: signature(one.out),
          ...(one.annotations.get(noReply) === 'true' && { noReply: true }),
        },
      ]),
    ),
    signals: record(described.signals.map(({ name, args }) => [name, { args: signature(args) }])),
    properties: record(
      described.properties.map(({ name, type, access, annotations }) => [
        name,
        { type, access, ...emitsChanged(annotations, described.annotations) },
      ]),
    ),
  };
}

/** A module that compiles only if the types of another are what the signatures mean. */
function checks(module: string, identifier: string, described: IntrospectedInterface): string {
  const lines = [
    ...described.methods.flatMap((one) => {
      const method = `MethodsOf<D>[${stringLiteral(one.name)}]`;
      return [
        `Same<Parameters<${method}>, Values<'${signature(one.in)}'>>`,
        `Same<ReturnType<${method}>, Result<'${signature(one.out)}'>>`,
      ];
    }),
    ...described.signals.map(
      ({ name, args }) =>
        `Same<SignalsOf<D>[${stringLiteral(name)}], Values<'${signature(args)}'>>`,
    ),
    ...described.properties.map(({ name, type, access }) => {
      const kind = { read: 'ReadOnly', write: 'WriteOnly', readwrite: 'ReadWrite' }[access];
      return `Same<PropertiesOf<D>[${stringLiteral(name)}], ${kind}<Values<'${type}'>[0]>>`;
    }),
  ];
  return `
    import type { MethodsOf, PropertiesOf, ReadOnly, ReadWrite, SignalsOf, WriteOnly } from 'bus1-bridge';
    import type { Result, Same, Values } from '../wire-types.js';
    import type { ${identifier} } from '../${module}.js';
    type D = typeof ${identifier};
    export const same: [\n${lines.join(',\n')}] = [${lines.map(() => 'true').join(', ')}];`;
}

const samples = fc.sample(randomInterfaces, { numRuns: MODULES, seed: SEED });

test(`${MODULES} random modules compile and describe what went in (seed ${SEED})`, async () => {
  const modules = samples.map((interfaces, index) => ({
    name: `module${index}`,
    interfaces,
    text: interfaceModule(interfaces, { titles: ['random\n*/ title'] }),
  }));
  const files: Record<string, string> = { 'wire-types.ts': WIRE_TYPES };
  for (const { name, interfaces, text } of modules) {
    files[`${name}.ts`] = text;
    const found: string[] = [...text.matchAll(/^export const (\S+):/gm)].map(([, one]) => one);
    expect(found).toHaveLength(interfaces.length);
    interfaces.forEach((one, index) => {
      files[`checks/${name}-${index}.ts`] = checks(name, found[index], one);
    });
  }
  const { folder, complaints } = await compile(files);
  expect(complaints).toEqual([]);
  for (const { name, interfaces } of modules) {
    const module: Record<string, unknown> = await import(join(folder, `${name}.ts`));
    const descriptions = new Map(
      Object.values(module).map((one) => [(one as InterfaceDescription).name, one]),
    );
    for (const one of interfaces) expect(descriptions.get(one.name)).toEqual(describe(one));
  }
});
