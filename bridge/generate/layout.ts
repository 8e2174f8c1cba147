/*
 * Text that is laid out like the formatter's: a group is one line if that fits, and is broken at all of
 * its lines if not.
 */

export type Layout = string | readonly Layout[] | Part;

type Part = Group | Indented | Line | IfBroken;

interface Group {
  readonly kind: 'group';
  readonly content: Layout;
}

interface Indented {
  readonly kind: 'indented';
  readonly content: Layout;
}

interface Line {
  readonly kind: 'line';
  /** The text here unless the line is broken. */
  readonly flat: string;
}

interface IfBroken {
  readonly kind: 'ifBroken';
  readonly text: string;
}

export const WIDTH = 100;
const INDENTATION = '  ';

export const line: Layout = { kind: 'line', flat: ' ' };
export const softLine: Layout = { kind: 'line', flat: '' };

export function group(...content: Layout[]): Layout {
  return { kind: 'group', content };
}

export function indented(...content: Layout[]): Layout {
  return { kind: 'indented', content };
}

export interface BracketStyle {
  /** Inside of the brackets while they are on one line. */
  readonly padding?: Layout;
  /** Behind the last item once the brackets are broken. */
  readonly trailing?: string;
}

/** Brackets with items between them, on one line or each on its own. */
export function bracketed(
  open: string,
  items: readonly Layout[],
  close: string,
  { padding = softLine, trailing = ',' }: BracketStyle = {},
): Layout {
  if (items.length === 0) return `${open}${close}`;
  const separated = items.flatMap((item, index) => (index === 0 ? [item] : [',', line, item]));
  const end: Layout = { kind: 'ifBroken', text: trailing };
  return group(open, indented(padding, ...separated), end, padding, close);
}

/** Alternative types, on one line or each on its own. */
export function union(types: readonly Layout[]): Layout {
  const separated = types.flatMap((type, index) => (index === 0 ? [type] : [line, '| ', type]));
  return group({ kind: 'ifBroken', text: '| ' }, ...separated);
}

interface Pending {
  readonly layout: Layout;
  readonly depth: number;
  readonly broken: boolean;
}

/** The text, whose first line begins at this depth of indentation. */
export function print(layout: Layout, depth = 0): string {
  const start = INDENTATION.repeat(depth);
  const pending: Pending[] = [{ layout, depth, broken: true }];
  let text = start;
  let column = start.length;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { layout, depth, broken } = next;
    if (isA('group', layout)) {
      const flat = { layout: layout.content, depth, broken: false };
      pending.push(fits(flat, pending, WIDTH - column) ? flat : { ...flat, broken: true });
    } else if (broken && isA('line', layout)) {
      const indentation = INDENTATION.repeat(depth);
      text += `\n${indentation}`;
      column = indentation.length;
    } else {
      const piece = unfold(next, pending);
      text += piece;
      column += piece.length;
    }
  }
  return text;
}

/** Returns the text of a plain layout; of any other it puts the parts on the stack and returns ''. */
function unfold({ layout, depth, broken }: Pending, pending: Pending[]): string {
  if (typeof layout === 'string') return layout;
  if (!('kind' in layout)) {
    pending.push(...layout.map((part) => ({ layout: part, depth, broken })).toReversed());
    return '';
  }
  switch (layout.kind) {
    case 'line':
      return layout.flat;
    case 'ifBroken':
      return broken ? layout.text : '';
    default: {
      const isIndented = layout.kind === 'indented';
      // Only the code that measures a line passes a group here, and the group is on that line then.
      const inside = { depth: isIndented ? depth + 1 : depth, broken: isIndented && broken };
      pending.push({ layout: layout.content, ...inside });
      return '';
    }
  }
}

function isA<Kind extends Part['kind']>(
  kind: Kind,
  layout: Layout,
): layout is Extract<Part, { kind: Kind }> {
  return typeof layout === 'object' && 'kind' in layout && layout.kind === kind;
}

/** Whether there is room for it, and for what follows up to the next place where a line can end. */
function fits(first: Pending, following: readonly Pending[], columns: number): boolean {
  const pending = [first];
  let followed = following.length;
  let left = columns;
  while (left >= 0) {
    const next = pending.pop() ?? following[--followed];
    if (next === undefined) return true;
    const { layout, broken } = next;
    if (broken && isA('line', layout)) return true;
    left -= unfold(next, pending).length;
  }
  return false;
}
