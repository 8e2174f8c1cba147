import { WIDTH } from './layout.js';

const INDENTATION = 2;

/** Paragraphs, each on one line; a tag such as `@deprecated` is a paragraph, too. */
export type Paragraphs = readonly string[];

/** A doc comment at this depth of indentation, with its line end; nothing without paragraphs. */
export function docComment(paragraphs: Paragraphs, depth = 0): string {
  if (paragraphs.length === 0) return '';
  const indentation = ' '.repeat(depth * INDENTATION);
  const [first = '', ...rest] = paragraphs.map(withoutCommentEnd);
  const short = `${indentation}/** ${first} */`;
  if (rest.length === 0 && short.length <= WIDTH) return `${short}\n`;
  const columns = WIDTH - indentation.length - ' * '.length;
  const lines = [first, ...rest].flatMap((paragraph, index, all) => {
    const wrapped = wrap(paragraph, columns);
    const before = all[index - 1];
    return before === undefined || areTogether(before, paragraph) ? wrapped : ['', ...wrapped];
  });
  const starred = lines.map((line) => `${indentation} * ${line}`.trimEnd());
  return [`${indentation}/**`, ...starred, `${indentation} */`, ''].join('\n');
}

/** Items of a list, and tags, follow each other without an empty line. */
function areTogether(before: string, after: string): boolean {
  return /^[-@]/.test(after) && before.startsWith(after.charAt(0));
}

/** A comment of lines that begin with two slashes, with its line end. */
export function lineComment(text: string): string {
  return wrap(text, WIDTH - '// '.length)
    .map((line) => `// ${line}\n`)
    .join('');
}

function withoutCommentEnd(text: string): string {
  return text.replaceAll('*/', '*\\/');
}

function wrap(paragraph: string, columns: number): string[] {
  const hanging = paragraph.startsWith('- ') ? '  ' : '';
  const lines: string[] = [];
  let current = '';
  for (const word of paragraph.split(/\s+/)) {
    if (current !== '' && current.length + 1 + word.length > columns) {
      lines.push(current);
      current = hanging + word;
    } else {
      current += current === '' ? word : ` ${word}`;
    }
  }
  return [...lines, current];
}
