import type {
  Annotations,
  IntrospectedInterface,
  Method,
  Property,
  Signal,
} from '#bridge/introspection/introspection.js';
import type { Paragraphs } from './doc-comment.js';
import { documentationKey, type Documentation, type MemberKind } from './documentation.js';
import type { MemberDocumentation } from './documentation-text.js';
import { parameterNames } from './identifiers.js';

const NOTHING: MemberDocumentation = { paragraphs: [], args: new Map() };

/** What doc comments say about one interface and its members. */
export class MemberComments {
  readonly #interface: IntrospectedInterface;
  readonly #documentation: Documentation;

  constructor(described: IntrospectedInterface, documentation: Documentation) {
    this.#interface = described;
    this.#documentation = documentation;
  }

  interface(): Paragraphs {
    const { name, annotations } = this.#interface;
    const { paragraphs } = this.#documentation.get(documentationKey(name)) ?? NOTHING;
    return [`The D-Bus interface ${name}.`, ...aboutAll(paragraphs, annotations)];
  }

  method(method: Method): Paragraphs {
    const { paragraphs, args } = this.#of('method', method.name);
    const names = parameterNames(method.in);
    const params = method.in.flatMap(({ name }, index) =>
      tagged(`@param ${names[index]}`, args.get(name)),
    );
    const [result, ...results] = method.out;
    const returns =
      result !== undefined && results.length === 0 ? tagged('@returns', args.get(result.name)) : [];
    const others = this.#interface.methods.filter((one) => one.name === method.name).slice(1);
    const text = [...paragraphs, ...others.map(leftOut)];
    return aboutAll(text, method.annotations, [...params, ...returns]);
  }

  signal({ name, args, annotations }: Signal): Paragraphs {
    const documentation = this.#of('signal', name);
    const names = parameterNames(args);
    const items = args.flatMap((arg, index) => {
      const said = documentation.args.get(arg.name) ?? [];
      return said.length === 0 ? [] : [`- \`${names[index]}\`: ${said.join(' ')}`];
    });
    const list = items.length === 0 ? [] : ['Arguments:', ...items];
    return aboutAll([...documentation.paragraphs, ...list], annotations);
  }

  property({ name, annotations }: Property): Paragraphs {
    return aboutAll(this.#of('property', name).paragraphs, annotations);
  }

  #of(kind: MemberKind, name: string): MemberDocumentation {
    return this.#documentation.get(documentationKey(this.#interface.name, kind, name)) ?? NOTHING;
  }
}

/** D-Bus has no overloading, but some services describe two methods of one name all the same. */
function leftOut(method: Method): string {
  const signature = method.in.map(({ type }) => type).join('');
  return `Another method of this name takes '${signature}' and is left out here.`;
}

function aboutAll(
  documented: Paragraphs,
  annotations: Annotations,
  tags: Paragraphs = [],
): Paragraphs {
  // GLib's tools put documentation into annotations as well.
  const annotated = [
    annotations.get('org.gtk.GDBus.DocString.Short'),
    annotations.get('org.gtk.GDBus.DocString'),
  ];
  const fromAnnotations = annotated
    .flatMap((text) => text?.split(/\n\s*\n/) ?? [])
    .map((text) => text.trim().replace(/\s+/g, ' '))
    .filter((text) => text !== '');
  const paragraphs = documented.length > 0 ? documented : fromAnnotations;
  const since = annotations.get('org.gtk.GDBus.Since');
  const isDeprecated = annotations.get('org.freedesktop.DBus.Deprecated') === 'true';
  return [
    ...paragraphs,
    ...tags,
    ...(since === undefined ? [] : tagged('@since', [since])),
    ...(isDeprecated ? ['@deprecated'] : []),
  ];
}

function tagged(tag: string, said: Paragraphs = []): string[] {
  const text = said.join(' ').trim();
  return text === '' ? [] : [`${tag} ${text}`];
}
