import { signatureTypes } from '#bridge/wire/signature.js';
import type { InterfaceDescription, PropertyDescription } from './interface-description.js';

const DOCTYPE = `<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
`;

/** What `Introspect` answers: D-Bus Specification, "Introspection Data Format". Names and types need no escaping. */
export function introspectionXml(
  interfaces: Iterable<InterfaceDescription>,
  children: Iterable<string>,
): string {
  const lines = [...interfaces].flatMap(interfaceLines);
  for (const child of children) lines.push(` <node name="${child}"/>`);
  return [`${DOCTYPE}<node>`, ...lines, '</node>', ''].join('\n');
}

function interfaceLines({ name, methods, signals, properties }: InterfaceDescription): string[] {
  const lines = [` <interface name="${name}">`];
  for (const [method, { in: inputs, out, noReply }] of Object.entries(methods)) {
    const args = [...argLines(inputs, ' direction="in"'), ...argLines(out, ' direction="out"')];
    if (noReply === true) args.push(annotation('org.freedesktop.DBus.Method.NoReply', 'true'));
    lines.push(...element('method', method, '', args));
  }
  for (const [signal, { args }] of Object.entries(signals)) {
    lines.push(...element('signal', signal, '', argLines(args, '')));
  }
  for (const [property, description] of Object.entries(properties)) {
    lines.push(...propertyLines(property, description));
  }
  return [...lines, ' </interface>'];
}

function propertyLines(
  name: string,
  { type, access, emitsChanged }: PropertyDescription,
): string[] {
  const emits = 'org.freedesktop.DBus.Property.EmitsChangedSignal';
  const inside = emitsChanged === undefined ? [] : [annotation(emits, emitsChanged)];
  return element('property', name, ` type="${type}" access="${access}"`, inside);
}

function argLines(signature: string, direction: string): string[] {
  return signatureTypes(signature).map(({ text }) => `   <arg type="${text}"${direction}/>`);
}

function annotation(name: string, value: string): string {
  return `   <annotation name="${name}" value="${value}"/>`;
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
