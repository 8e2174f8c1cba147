import type { Random } from '../core/random.js';

/** What a parser may stumble over, whatever it parses. */
const ODD = [
  '',
  ' ',
  '\t',
  '\n',
  '\0',
  '\u{feff}',
  '\u{10ffff}',
  '"',
  "'",
  '<',
  '>',
  '&',
  '&amp;',
  '&#0;',
  '&x;',
  ']]>',
  '<!--',
  '-->',
  '<?x',
  '<![CDATA[',
  '<!DOCTYPE a [<!ENTITY b "c">]>',
  '&a',
  '*a',
  '<<: *a',
  '!!binary',
  '!!js/function',
  '? ',
  ': ',
  '- ',
  '| ',
  '{',
  '}',
  '[',
  ']',
  '%YAML 9.9',
  '---',
  '...',
  '__proto__',
  'constructor',
  'toString',
  'null',
  '~',
  'true',
  '0',
  '-1',
  '1e400',
  '99999999999999999999',
  '0x7fffffff',
  '/dev/zero',
  '*',
  '.',
  '..',
  'x'.repeat(300),
] as const;

/** Lines and words of `text` changed, moved, left out, doubled, or replaced by some of `words`. */
export function mutatedText(random: Random, text: string, words: readonly string[]): string {
  let result = text;
  for (let times = 1 + random.below(4); times > 0; times--) {
    result = random.chance(0.4) ? changedLine(random, result) : changedWord(random, result, words);
  }
  return random.chance(0.01) ? result + random.pick(ODD).repeat(random.below(20_000)) : result;
}

function changedLine(random: Random, text: string): string {
  const lines = text.split('\n');
  const at = random.below(lines.length);
  switch (random.below(6)) {
    case 0:
      lines.splice(at, 1);
      break;
    case 1:
      lines.splice(at, 0, lines[random.below(lines.length)]);
      break;
    case 2:
      lines[at] = ' '.repeat(random.below(6)) + lines[at].trimStart();
      break;
    case 3:
      lines.length = at;
      break;
    case 4:
      lines[at] = lines[at] + random.pick(ODD);
      break;
    default:
      lines[at] = lines[at].slice(random.below(lines[at].length + 1));
  }
  return lines.join('\n');
}

function changedWord(random: Random, text: string, words: readonly string[]): string {
  const found = [...text.matchAll(/[\w.*/:-]+/g)];
  if (found.length === 0) return random.pick(ODD);
  const { 0: word, index } = random.pick(found);
  const other = random.chance(0.5)
    ? random.pick(words)
    : random.pick([
        random.pick(ODD),
        word.slice(1),
        word + word,
        word.toUpperCase(),
        random.pick(found)[0],
      ]);
  return text.slice(0, index) + other + text.slice(index + word.length);
}
