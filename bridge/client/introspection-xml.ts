import { signatureTypes } from '#bridge/wire/signature.js';
import type {
  Described,
  InterfaceDescription,
  PropertyDescription,
} from './interface-description.js';

const DOCTYPE = `<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
`;

/**
 * What `Introspect` answers: D-Bus Specification, "Introspection Data Format". Names of members and types need no
 * escaping.
 */
export function introspectionXml(
  interfaces: Iterable<InterfaceDescription>,
  children: Iterable<string>,
): string {
  const lines = [...interfaces].flatMap(interfaceLines);
  for (const child of children) lines.push(` <node name="${child}"/>`);
  return [`${DOCTYPE}<node>`, ...lines, '</node>', ''].join('\n');
}

function interfaceLines(description: InterfaceDescription): string[] {
  const { name, methods, signals, properties } = description;
  const lines = [` <interface name="${name}">`];
  lines.push(...notes(description, {}).map((line) => line.slice(1)));
  for (const [method, each] of Object.entries(methods)) {
    const args = [
      ...argLines(each.in, each.inNames, ' direction="in"'),
      ...argLines(each.out, each.outNames, ' direction="out"'),
      ...notes(
        each,
        each.noReply === true ? { 'org.freedesktop.DBus.Method.NoReply': 'true' } : {},
      ),
    ];
    lines.push(...element('method', method, '', args));
  }
  for (const [signal, each] of Object.entries(signals)) {
    const args = [...argLines(each.args, each.argNames, ''), ...notes(each, {})];
    lines.push(...element('signal', signal, '', args));
  }
  for (const [property, each] of Object.entries(properties)) {
    lines.push(...propertyLines(property, each));
  }
  return [...lines, ' </interface>'];
}

function propertyLines(name: string, description: PropertyDescription): string[] {
  const { type, access, emitsChanged } = description;
  const emits = 'org.freedesktop.DBus.Property.EmitsChangedSignal';
  const inside = notes(description, emitsChanged === undefined ? {} : { [emits]: emitsChanged });
  return element('property', name, ` type="${type}" access="${access}"`, inside);
}

function argLines(signature: string, names: readonly string[] = [], direction: string): string[] {
  return signatureTypes(signature).map(({ text }, i) => {
    const name = names[i] ? ` name="${escaped(names[i])}"` : '';
    return `   <arg${name} type="${text}"${direction}/>`;
  });
}

/** Annotations, including those that the description has fields for (`said`). */
function notes({ doc, annotations = {} }: Described, said: Record<string, string>): string[] {
  const documented = doc === undefined ? {} : { 'org.gtk.GDBus.DocString': doc };
  return Object.entries({ ...annotations, ...documented, ...said }).map(
    ([name, value]) => `   <annotation name="${escaped(name)}" value="${escaped(value)}"/>`,
  );
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\n': '&#10;',
};

function escaped(text: string): string {
  return text.replaceAll(/[&<>"\n]/g, (character) => ENTITIES[character] ?? character);
}

function element(
  tag: string,
  name: string,
  attributes: string,
  inside: readonly string[],
): string[] {
  const start = `  <${tag} name="${name}"${attributes}`;
  return inside.length === 0 ? [`${start}/>`] : [`${start}>`, ...inside, `  </${tag}>`];
}
