import { SaxesParser } from 'saxes';
import type { SaxesTagPlain } from 'saxes';
import { FLAG_ELEMENTS, TEXT_ELEMENTS } from './config-builder.js';
import type { ConfigFileBuilder } from './config-builder.js';
import { ConfigSyntaxError, SourceText } from './diagnostic.js';
import type { SourcePosition } from './diagnostic.js';
import type { Audience } from './policy-rules.js';
import type { Attribute, Attributes } from './rule-reader.js';
import { expandEntities } from './xml-entities.js';

/** The attributes each element takes; rules are not here, for they are checked one by one. */
const ELEMENT_ATTRIBUTES: ReadonlyMap<string, readonly string[]> = new Map([
  ['policy', ['context', 'user', 'group', 'at_console']],
  ['include', ['ignore_missing', 'if_selinux_enabled', 'selinux_root_relative']],
  ['limit', ['name']],
  ['apparmor', ['mode']],
  ['associate', ['own', 'context']],
]);

/** Which elements may stand in which; everything else in busconfig is a leaf. */
const CHILDREN: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['', new Set(['busconfig'])],
  [
    'busconfig',
    new Set<string>([
      ...TEXT_ELEMENTS,
      ...FLAG_ELEMENTS,
      'include',
      'includedir',
      'limit',
      'policy',
      'selinux',
      'apparmor',
    ]),
  ],
  ['policy', new Set(['allow', 'deny'])],
  ['selinux', new Set(['associate'])],
]);

const WITH_TEXT = new Set<string>([...TEXT_ELEMENTS, 'include', 'includedir', 'limit']);

interface OpenElement {
  readonly name: string;
  readonly at: SourcePosition;
  readonly attributes: Attributes;
  readonly audience?: Audience | undefined;
  text: string;
}

/**
 * Parses busconfig XML, dbus-daemon(1) "CONFIGURATION FILE", into `builder`. Throws
 * ConfigSyntaxError where the file as a whole cannot be trusted: malformed XML, an element or
 * attribute that does not belong, text where none is expected, or none where some is.
 */
export function parseBusconfig(source: SourceText, builder: ConfigFileBuilder): void {
  const { file, text } = source;
  const expanded = expandEntities(text, EXPANDED_LENGTH_MAX);
  if (expanded === undefined) {
    const message = `malformed XML: its entities make more than ${EXPANDED_LENGTH_MAX} characters`;
    throw new ConfigSyntaxError('malformed', source.positionAt(0), message);
  }
  new BusconfigParser(expanded === text ? source : new SourceText(file, expanded), builder).parse();
}

/** A file has at most 1 MiB; no real one expands to twice that. */
const EXPANDED_LENGTH_MAX = 2 ** 21;

class BusconfigParser {
  readonly #source: SourceText;
  readonly #builder: ConfigFileBuilder;
  readonly #xml = new SaxesParser();
  readonly #stack: OpenElement[] = [];

  constructor(source: SourceText, builder: ConfigFileBuilder) {
    this.#source = source;
    this.#builder = builder;
  }

  parse(): void {
    this.#xml.on('error', (error) => {
      const message = `malformed XML: ${error.message.replace(/^\d+:\d+: /, '')}`;
      throw new ConfigSyntaxError('malformed', this.#here(), message);
    });
    this.#xml.on('opentag', (tag) => this.#open(tag));
    this.#xml.on('closetag', () => this.#close());
    this.#xml.on('text', (text) => this.#text(text));
    this.#xml.on('cdata', (text) => this.#text(text));
    this.#xml.write(this.#source.text).close();
  }

  #here(): SourcePosition {
    // The parser has already taken in the character that it complains about.
    return this.#source.positionAt(Math.max(this.#xml.position - 1, 0));
  }

  #open(tag: SaxesTagPlain): void {
    const parent = this.#stack.at(-1);
    // In well-formed XML a tag holds no other '<', so the last one before its end begins it.
    const start = this.#source.text.lastIndexOf('<', this.#xml.position - 1);
    const at = this.#source.positionAt(start);
    if (!CHILDREN.get(parent?.name ?? '')?.has(tag.name)) {
      const place = parent === undefined ? 'as the root element' : `inside <${parent.name}>`;
      throw new ConfigSyntaxError(
        'unexpected-element',
        at,
        `<${tag.name}> is not allowed ${place}`,
      );
    }
    const attributes = this.#attributes(tag, start);
    const element: OpenElement = {
      name: tag.name,
      at,
      attributes,
      ...(tag.name === 'policy' && { audience: this.#builder.audience(attributes, at) }),
      text: '',
    };
    this.#stack.push(element);
    if (tag.name === 'allow' || tag.name === 'deny') {
      this.#builder.addRule(tag.name === 'allow', attributes, parent!.audience, at);
    }
  }

  #attributes(tag: SaxesTagPlain, start: number): Attributes {
    const tagText = this.#source.text.slice(start, this.#xml.position);
    const attributes = new Map<string, Attribute>();
    for (const [name, value] of Object.entries(tag.attributes)) {
      const offset = tagText.search(new RegExp(`(?<=\\s)${name}\\s*=`));
      const at = this.#source.positionAt(start + Math.max(offset, 0));
      attributes.set(name, { value, at });
      const free = tag.name === 'allow' || tag.name === 'deny';
      if (!free && !ELEMENT_ATTRIBUTES.get(tag.name)?.includes(name)) {
        throw new ConfigSyntaxError(
          'bad-attribute',
          at,
          `<${tag.name}> has no attribute "${name}"`,
        );
      }
    }
    return attributes;
  }

  #text(text: string): void {
    const element = this.#stack.at(-1);
    if (element === undefined) return;
    if (!WITH_TEXT.has(element.name) && text.trim() !== '') {
      const message = `<${element.name}> takes no text, but has "${text.trim()}"`;
      throw new ConfigSyntaxError('unexpected-text', element.at, message);
    }
    element.text += text;
  }

  #close(): void {
    const element = this.#stack.pop()!;
    if (WITH_TEXT.has(element.name)) return this.#closeText(element);
    const flag = FLAG_ELEMENTS.find((name) => name === element.name);
    if (flag !== undefined) {
      this.#builder.setFlag(flag);
    } else if (element.name === 'apparmor') {
      const mode = element.attributes.get('mode');
      this.#builder.setAppArmorMode(mode?.value ?? 'enabled', mode?.at ?? element.at);
    } else if (element.name === 'associate') {
      const own = this.#required(element, 'own');
      this.#builder.associate(own, this.#required(element, 'context'), element.at);
    }
  }

  /** Blanks and line breaks are part of the text, as in dbus-daemon: only numbers may stand between them. */
  #closeText(element: OpenElement): void {
    const { name, at, text } = element;
    if (text === '') throw new ConfigSyntaxError('missing-text', at, `<${name}> is empty`);
    if (name !== 'limit' && text !== text.trim()) {
      const message = `the text of <${name}> begins or ends with blanks, which belong to it`;
      this.#builder.warn('blanks-in-text', at, message);
    }
    if (name === 'include') {
      const ignoreMissing = this.#yesNo(element, 'ignore_missing');
      const ifSelinuxEnabled = this.#yesNo(element, 'if_selinux_enabled');
      const selinuxRootRelative = this.#yesNo(element, 'selinux_root_relative');
      this.#builder.include(text, { ignoreMissing, ifSelinuxEnabled, selinuxRootRelative }, at);
    } else if (name === 'includedir') {
      this.#builder.includeDirectory(text, at);
    } else if (name === 'limit') {
      this.#builder.setLimit(this.#required(element, 'name'), text, at);
    } else {
      const element = TEXT_ELEMENTS.find((candidate) => candidate === name);
      if (element !== undefined) this.#builder.setText(element, text);
    }
  }

  #required(element: OpenElement, name: string): string {
    const value = element.attributes.get(name)?.value;
    if (value !== undefined) return value;
    const message = `<${element.name}> needs the attribute "${name}"`;
    throw new ConfigSyntaxError('bad-attribute', element.at, message);
  }

  #yesNo(element: OpenElement, name: string): boolean {
    const attribute = element.attributes.get(name);
    if (attribute === undefined || attribute.value === 'no') return false;
    if (attribute.value === 'yes') return true;
    const message = `${name} must be yes or no, not "${attribute.value}"`;
    throw new ConfigSyntaxError('bad-attribute', attribute.at, message);
  }
}
