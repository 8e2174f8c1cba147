/** A key of a desktop-entry file: its unescaped value and the line it stands on. */
export interface DesktopValue {
  readonly value: string;
  readonly line: number;
}

/** A section's keys; the first of several equal keys is the one that counts. */
export type DesktopSection = ReadonlyMap<string, DesktopValue>;

export interface DesktopFault {
  readonly line: number;
  readonly message: string;
}

/** Either the sections of the file, or the one fault that makes the whole file unusable. */
export type DesktopEntry =
  | { readonly sections: ReadonlyMap<string, DesktopSection>; readonly fault?: never }
  | { readonly sections?: never; readonly fault: DesktopFault };

const BLANK_OR_COMMENT = /^(?:[ \t\r\f]*$|#)/;
/**
 * Control characters, brackets and everything outside ASCII are excluded (Desktop Entry
 * Specification, "Group headers").
 */
const SECTION_NAME = /^[\x20-\x5a\x5c\x5e-\x7e]+$/;
const KEY = /^[A-Za-z0-9-]*/;
const ESCAPED: Readonly<Record<string, string>> = { s: ' ', t: '\t', n: '\n', r: '\r', '\\': '\\' };

/**
 * Parses the dialect of the desktop-entry format that dbus-daemon reads.
 *
 * It is stricter than other readers of the format: one bad line spoils the file. Keys with a locale (`Name[de]=`)
 * are ignored, and of sections with the same name only the first counts.
 */
export function parseDesktopEntry(text: string): DesktopEntry {
  const sections = new Map<string, Map<string, DesktopValue>>();
  let section: Map<string, DesktopValue> | undefined;
  for (const [index, content] of text.split(/\r\n|\n|\r/).entries()) {
    const line = index + 1;
    if (content.startsWith('[')) {
      const name = parseSectionName(content);
      if (typeof name !== 'string') return { fault: { line, message: name.message } };
      section = new Map();
      if (!sections.has(name)) sections.set(name, section);
    } else if (!BLANK_OR_COMMENT.test(content)) {
      if (section === undefined) return { fault: { line, message: 'a key before any [section]' } };
      const message = parseKeyValue(content, line, section);
      if (message !== undefined) return { fault: { line, message } };
    }
  }
  return { sections };
}

function parseSectionName(content: string): string | { message: string } {
  if (content.length <= 2 || !content.endsWith(']')) {
    return { message: 'a section header must have the form [name]' };
  }
  const name = content.slice(1, -1);
  return SECTION_NAME.test(name) ? name : { message: 'invalid characters in the section name' };
}

/** Adds the key of this line to the section. Returns what is wrong with the line, if anything. */
function parseKeyValue(
  content: string,
  line: number,
  section: Map<string, DesktopValue>,
): string | undefined {
  const key = KEY.exec(content)?.[0] ?? '';
  if (key === '') return 'a key is missing before "="';
  const rest = content.slice(key.length);
  if (rest.startsWith('[')) return undefined;
  const assignment = rest.replace(/^ +/, '');
  if (assignment === '') return `no "=" after the key "${key}"`;
  if (!assignment.startsWith('=')) return `invalid characters after the key "${key}"`;
  const value = unescapeValue(assignment.slice(1).replace(/^ +/, ''));
  if (value === undefined) {
    return `invalid escape in the value of "${key}": only \\s \\t \\n \\r \\\\ are known`;
  }
  if (!section.has(key)) section.set(key, { value, line });
  return undefined;
}

function unescapeValue(raw: string): string | undefined {
  let valid = true;
  const value = raw.replaceAll(/\\(.?)/gs, (_sequence, character: string) => {
    const meant = ESCAPED[character];
    if (meant === undefined) valid = false;
    return meant ?? '';
  });
  return valid ? value : undefined;
}
