import type { Paragraphs } from './doc-comment.js';

export interface MemberDocumentation {
  readonly paragraphs: Paragraphs;
  /** By the name of the argument. */
  readonly args: ReadonlyMap<string, Paragraphs>;
}

/** Markup, without its prefix, that begins a paragraph or an item of a list. */
const PARAGRAPHS = new Set(['description', 'para', 'p', 'permission', 'summary']);
const ITEMS = new Set(['li', 'listitem', 'member', 'term']);

/** What separates the text of an element from the text before it. `title`: of an error. */
export function breakFor(element: string, title?: string): string {
  const name = element.replace(/^.*:/, '');
  if (name === 'error') return `\n\n- ${title ?? 'error'}: `;
  if (ITEMS.has(name)) return '\n\n- ';
  if (name === 'definition') return ': ';
  return PARAGRAPHS.has(name) ? '\n\n' : '';
}

/** Comments have markup, too: DocBook's. */
function withoutMarkup(text: string): string {
  return text
    .replace(/<(\/?)([A-Za-z:]+)[^<>]*>/g, (_, slash, name) => (slash === '' ? breakFor(name) : ''))
    .replace(/^\s*[*-] /gm, '\n\n- ');
}

/** Text with empty lines between its paragraphs. A word behind `@` is an argument, not a tag. */
export function toParagraphs(text: string): string[] {
  return text
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim().replace(/\s+/g, ' ').replaceAll(' : ', ': '))
    .filter((paragraph) => !/^-?$/.test(paragraph))
    .map((paragraph) => paragraph.replace(/(^|\s)@(\w+)/g, '$1`$2`'));
}

/**
 * The documentation in a comment in front of the element with this name. Only a comment that begins with a
 * line that is the name, or ends in it as in `Interface::Signal:`, is about it: others are licences
 * and separators. The text of an argument goes on to the next argument or empty line.
 */
export function documentationComment(
  comment: string,
  name: string,
): MemberDocumentation | undefined {
  const [first = '', ...lines] = comment
    .trim()
    .split('\n')
    .map((line) => line.trim());
  const title = first.replace(/:$/, '');
  if (title !== name && !title.endsWith(`:${name}`)) return undefined;
  const args = new Map<string, string>();
  const text: string[] = [];
  let argument: string | undefined;
  for (const line of lines) {
    const [, begun, said = ''] = /^@([^\s:]+):(.*)$/.exec(line) ?? [];
    if (begun !== undefined || line === '') argument = begun;
    if (argument === undefined) text.push(line);
    else args.set(argument, begun === undefined ? `${args.get(argument)}\n${line}` : said);
  }
  return {
    paragraphs: toParagraphs(withoutMarkup(text.join('\n'))),
    args: new Map([...args].map(([name, said]) => [name, toParagraphs(withoutMarkup(said))])),
  };
}
