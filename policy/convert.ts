import { SaxesParser } from 'saxes';
import type { SaxesTagPlain } from 'saxes';
import { FLAG_ELEMENTS, TEXT_ELEMENTS } from './config-builder.js';
import { expandEntities } from './xml-entities.js';

/** An element of busconfig XML with the comments that stand in front of it. */
interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: Element[];
  readonly comments: readonly string[];
  /** comments behind the last child */
  lastComments: readonly string[];
  text: string;
}

/** The file has elements in an order that matters and that YAML cannot keep. */
export class OrderError extends Error {
  readonly code = 'conversion-order';

  constructor(name: string, behind: string) {
    super(`<${name}> after <${behind}>: in YAML it would apply first; move it before <${behind}>`);
    this.name = 'OrderError';
  }
}

/**
 * Policy YAML (docs/policy.md) that is equivalent to this busconfig XML, comments included. The text must be valid: it
 * has been read without an error. @throws OrderError
 */
export function convertBusconfig(xml: string): string {
  const root = parse(xml);
  const settings: string[] = [];
  const ordered: string[] = [];
  const lists = new Map<string, Element[]>();
  let include: string | undefined;
  let flag: string | undefined;
  for (const element of root.children) {
    const { name } = element;
    if (isOrdered(name) || (name === 'limit' && include !== undefined)) {
      if (isInclude(name)) include = name;
      ordered.push(...orderedItem(element));
      continue;
    }
    if (include !== undefined) throw new OrderError(name, include);
    if (name === 'servicedir' && flag !== undefined) throw new OrderError(name, flag);
    if (name.startsWith('standard_')) flag = name;
    const known = lists.get(name);
    if (known === undefined) lists.set(name, [element]);
    else known.push(element);
  }
  for (const [name, elements] of lists) settings.push(...setting(name, elements));
  if (ordered.length > 0) settings.push('policies:', ...ordered);
  const lines = [...commentLines(root.comments, ''), ...settings];
  return [...lines, ...commentLines(root.lastComments, ''), ''].join('\n');
}

function isInclude(name: string): boolean {
  return name === 'include' || name === 'includedir';
}

function isOrdered(name: string): boolean {
  return name === 'policy' || isInclude(name);
}

function setting(name: string, elements: readonly Element[]): string[] {
  const comments = elements.flatMap((element) => commentLines(element.comments, ''));
  const texts = elements.map(({ text }) => scalar(text));
  if (TEXT_ELEMENTS.some((each) => each === name)) {
    // An element that may occur only once: the last one counts.
    const isList = ['listen', 'auth', 'servicedir'].includes(name);
    return [...comments, `${name}: ${isList ? `[${texts.join(', ')}]` : texts.at(-1)}`];
  }
  if (FLAG_ELEMENTS.some((each) => each === name)) return [...comments, `${name}: true`];
  const last = elements.at(-1)!;
  if (name === 'apparmor')
    return [...comments, `apparmor: ${last.attributes['mode'] ?? 'enabled'}`];
  if (name === 'limit') return ['limits:', ...elements.flatMap((each) => limitLines(each, '  '))];
  const contexts = elements.flatMap(({ children }) => children);
  return [
    ...comments,
    'selinux:',
    ...contexts.flatMap((each) => [
      ...commentLines(each.comments, '  '),
      `  ${scalar(each.attributes['own'] ?? '')}: ${scalar(each.attributes['context'] ?? '')}`,
    ]),
  ];
}

function limitLines({ comments, attributes, text }: Element, indent: string): string[] {
  const number = text.trim();
  const value = /^\d{1,15}$/u.test(number) ? number : scalar(number);
  return [...commentLines(comments, indent), `${indent}${attributes['name']}: ${value}`];
}

/** An element that is kept in the order of the file. */
function orderedItem(element: Element): string[] {
  const { name, attributes, comments, text } = element;
  const before = commentLines(comments, '  ');
  if (name === 'limit')
    return [...before, '  - limits:', ...limitLines({ ...element, comments: [] }, '      ')];
  if (name === 'includedir') return [...before, `  - includedir: ${scalar(text)}`];
  if (name === 'include') {
    const options = Object.entries(attributes).map(([key, value]) => `${key}: ${value === 'yes'}`);
    return [...before, `  - include: ${inBraces([`path: ${scalar(text)}`, ...options])}`];
  }
  const [[kind, audience] = ['', '']] = Object.entries(attributes);
  const rules = element.children.flatMap(ruleLines);
  return [
    ...before,
    `  - ${kind}: ${scalar(audience)}`,
    ...(rules.length === 0 ? ['    rules: []'] : ['    rules:', ...rules]),
    ...commentLines(element.lastComments, '      '),
  ];
}

function ruleLines({ name, attributes, comments }: Element): string[] {
  const groups = new Map<string, string[]>();
  const hasSide = (side: string): boolean =>
    Object.keys(attributes).some((each) => each.startsWith(`${side}_`));
  // Without a side, these make a rule about both, in XML as in YAML.
  const modified = hasSide('receive') && !hasSide('send') ? 'receive' : 'send';
  for (const [attribute, value] of Object.entries(attributes)) {
    const [group, field] = placeOf(attribute, modified);
    const known = groups.get(group) ?? [];
    known.push(field === '' ? scalar(value) : `${field}: ${scalar(value)}`);
    groups.set(group, known);
  }
  const parts = [...groups].map(([group, fields]) => {
    const isPlain = group === 'own' || group === 'own_prefix';
    return `${group}: ${isPlain ? fields[0] : inBraces(fields)}`;
  });
  return [...commentLines(comments, '      '), `      - ${name}: ${inBraces(parts)}`];
}

/** Where in a rule of YAML an attribute stands. */
function placeOf(attribute: string, modified: string): readonly [group: string, field: string] {
  if (attribute === 'own' || attribute === 'own_prefix') return [attribute, ''];
  if (attribute === 'user' || attribute === 'group') return ['connect', attribute];
  const [, side, field] = /^(send|receive)_(.+)$/u.exec(attribute) ?? [];
  return side === undefined || field === undefined ? [modified, attribute] : [side, field];
}

function inBraces(parts: readonly string[]): string {
  return `{ ${parts.join(', ')} }`;
}

/** Texts that YAML reads as strings without quotes; all others are quoted as in JSON. */
const PLAIN = /^[A-Za-z/][\w./-]*$/u;
const NOT_TEXT = /^(?:y|n|yes|no|on|off|null)$/iu;

function scalar(text: string): string {
  return PLAIN.test(text) && !NOT_TEXT.test(text) ? text : JSON.stringify(text);
}

function commentLines(comments: readonly string[], indent: string): string[] {
  const lines = comments.flatMap((comment) => comment.trim().split('\n'));
  return lines.map((line) => `${indent}# ${line.trim()}`.trimEnd());
}

function parse(xml: string): Element {
  const root: Element = { ...EMPTY, children: [], text: '' };
  const stack = [root];
  let comments: string[] = [];
  const parser = new SaxesParser();
  parser.on('comment', (text) => comments.push(text));
  parser.on('opentag', ({ name, attributes }: SaxesTagPlain) => {
    const element = { name, attributes, children: [], comments, lastComments: [], text: '' };
    comments = [];
    stack.at(-1)!.children.push(element);
    stack.push(element);
  });
  const addText = (text: string): void => void (stack.at(-1)!.text += text);
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.on('closetag', () => {
    const element = stack.pop()!;
    element.lastComments = comments;
    comments = [];
  });
  // It has been read before, so its expanded entities are known to stay within the limit.
  parser.write(expandEntities(xml, Infinity) ?? xml).close();
  const [busconfig = root] = root.children;
  return { ...busconfig, lastComments: [...busconfig.lastComments, ...comments] };
}

const EMPTY: Pick<Element, 'name' | 'attributes' | 'comments' | 'lastComments'> = {
  name: '',
  attributes: {},
  comments: [],
  lastComments: [],
};
