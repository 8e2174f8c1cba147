import { SaxesParser } from 'saxes';

/** Where something stands in a text; line and column count from 1. */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

/** An element of an XML document, without the text inside it. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  readonly at: TextPosition;
}

interface OpenElement extends XmlElement {
  readonly children: XmlElement[];
}

/** Abbreviations that interface files use in their documentation: XML 1.0, "Entity Declarations". */
const ENTITY = /<!ENTITY\s+([\w.-]+)\s+"([^"]*)"/g;

type Complain = (at: TextPosition, complaint: string) => Error;

/** The root element of an XML document. Throws the error that `complain` returns for the first fault. */
export function readXml(text: string, complain: Complain): XmlElement {
  const xml = new SaxesParser();
  const open: OpenElement[] = [];
  let root: XmlElement | undefined;
  xml.on('error', (error) => {
    // The parser has already taken in the character that it complains about.
    const at = positionAt(text, Math.max(xml.position - 1, 0));
    throw complain(at, `malformed XML: ${error.message.replace(/^\d+:\d+: /, '')}`);
  });
  xml.on('doctype', (doctype) => {
    for (const [, name = '', value = ''] of doctype.matchAll(ENTITY)) xml.ENTITIES[name] = value;
  });
  xml.on('opentag', ({ name, attributes }) => {
    // In well-formed XML a tag holds no other '<', so the last one before its end begins it.
    const at = positionAt(text, text.lastIndexOf('<', xml.position - 1));
    const element: OpenElement = { name, attributes, children: [], at };
    const parent = open.at(-1);
    if (parent === undefined) root = element;
    else parent.children.push(element);
    open.push(element);
  });
  xml.on('closetag', () => open.pop());
  xml.write(text).close();
  if (root === undefined) throw complain({ line: 1, column: 1 }, 'there is no root element');
  return root;
}

function positionAt(text: string, offset: number): TextPosition {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: offset - lineStart + 1 };
}
