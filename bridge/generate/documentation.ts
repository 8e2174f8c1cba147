import { SaxesParser } from 'saxes';
import type { Paragraphs } from './doc-comment.js';
import { breakFor, documentationComment, toParagraphs } from './documentation-text.js';
import type { MemberDocumentation } from './documentation-text.js';

/*
 * Documentation by the authors of an interface. The D-Bus Specification defines no documentation in introspection
 * data. In use are `<doc:doc>` and `<tp:docstring>` elements, and comments in front of an element that begin with
 * its name and a colon, followed by lines such as `@argument: what it is`.
 */

export type MemberKind = 'method' | 'signal' | 'property';

/** The key of a member, or of the interface itself. */
export function documentationKey(interfaceName: string, kind?: MemberKind, name?: string): string {
  return kind === undefined ? interfaceName : `${interfaceName} ${kind} ${name}`;
}

export type Documentation = ReadonlyMap<string, MemberDocumentation>;

const DOC_ELEMENTS = new Set(['doc:doc', 'tp:docstring']);
const MEMBER_KINDS: ReadonlySet<string> = new Set<MemberKind>(['method', 'signal', 'property']);

/** Reads the documentation in introspection data, which is known to be valid. */
export function readDocumentation(xml: string): Documentation {
  const parser = new SaxesParser();
  const reader = new DocumentationReader();
  parser.on('opentag', ({ name, attributes }) => reader.open(name, attributes));
  parser.on('closetag', ({ name }) => reader.close(name));
  parser.on('text', (text) => reader.text(text));
  parser.on('cdata', (text) => reader.text(text));
  parser.on('comment', (text) => reader.comment(text));
  parser.write(xml).close();
  return reader.found;
}

interface Entry extends MemberDocumentation {
  paragraphs: string[];
  readonly args: Map<string, Paragraphs>;
}

class DocumentationReader {
  readonly found = new Map<string, Entry>();
  #interface = '';
  #member: string | undefined;
  #argument: string | undefined;
  #comment = '';
  /** How many nested documentation elements are open, and the text in them. */
  #docDepth = 0;
  #docText = '';

  open(name: string, attributes: Readonly<Record<string, string>>): void {
    if (this.#docDepth > 0 || DOC_ELEMENTS.has(name)) {
      this.#docDepth++;
      this.#docText += breakFor(name, attributes.name);
      return;
    }
    const own = attributes.name ?? '';
    if (name === 'interface') this.#interface = own;
    else if (isMemberKind(name)) this.#member = documentationKey(this.#interface, name, own);
    else if (name === 'arg') this.#argument = own;
    else return;
    if (name !== 'arg') this.#useComment(own);
    this.#comment = '';
  }

  close(name: string): void {
    if (this.#docDepth > 0) {
      this.#docDepth--;
      if (this.#docDepth === 0) this.#useElement();
    } else if (name === 'arg') {
      this.#argument = undefined;
    } else if (isMemberKind(name)) {
      this.#member = undefined;
    }
  }

  text(text: string): void {
    if (this.#docDepth > 0) this.#docText += text;
  }

  comment(text: string): void {
    if (this.#docDepth === 0) this.#comment = text;
  }

  #entry(): Entry {
    const key = this.#member ?? this.#interface;
    const entry = this.found.get(key) ?? { paragraphs: [], args: new Map() };
    this.found.set(key, entry);
    return entry;
  }

  #useElement(): void {
    const paragraphs = toParagraphs(this.#docText);
    this.#docText = '';
    if (this.#argument === undefined) this.#entry().paragraphs.push(...paragraphs);
    else this.#entry().args.set(this.#argument, paragraphs);
  }

  #useComment(name: string): void {
    const said = documentationComment(this.#comment, name);
    if (said === undefined) return;
    const entry = this.#entry();
    for (const [argument, paragraphs] of said.args) entry.args.set(argument, paragraphs);
    entry.paragraphs.push(...said.paragraphs);
  }
}

function isMemberKind(name: string): name is MemberKind {
  return MEMBER_KINDS.has(name);
}
