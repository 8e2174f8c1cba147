/**
 * Splits the text of a match rule into keys and values.
 * Grammar: D-Bus specification, "Match Rules"; where that is silent, what dbus-daemon 1.14 accepts.
 */

export interface MatchRuleToken {
  readonly key: string;
  readonly value: string;
}

/** What is wrong with the text; the caller adds the text itself. */
export interface MatchRuleTokenFault {
  readonly message: string;
}

interface Cursor {
  readonly text: string;
  at: number;
}

/** Keys and values in the order of the text, unquoted; duplicates are kept. */
export function tokenizeMatchRule(text: string): MatchRuleToken[] | MatchRuleTokenFault {
  const cursor: Cursor = { text, at: 0 };
  const tokens: MatchRuleToken[] = [];
  while (cursor.at < text.length) {
    const key = readKey(cursor);
    if (key === undefined) return { message: 'a key is not followed by "="' };
    // dbus-daemon ends the rule at an empty key: a trailing comma or blank is harmless.
    if (key === '') break;
    const value = readValue(cursor);
    if (value === undefined) return { message: `the quote in the value of "${key}" is not closed` };
    tokens.push({ key, value });
  }
  return tokens;
}

function isBlank(char: string): boolean {
  return char === ' ' || char === '\t' || char === '\n' || char === '\r';
}

function skipBlanks(cursor: Cursor): void {
  while (isBlank(cursor.text.charAt(cursor.at))) cursor.at++;
}

/** Blanks are allowed on both sides of a key, but not around its value. */
function readKey(cursor: Cursor): string | undefined {
  const { text } = cursor;
  skipBlanks(cursor);
  const start = cursor.at;
  while (cursor.at < text.length && text[cursor.at] !== '=' && !isBlank(text.charAt(cursor.at))) {
    cursor.at++;
  }
  const key = text.slice(start, cursor.at);
  skipBlanks(cursor);
  if (key === '') return key;
  if (text[cursor.at] !== '=') return undefined;
  cursor.at++;
  return key;
}

/**
 * Reads up to the next unquoted comma. Quoted parts are taken as they are; outside quotes a
 * backslash escapes an apostrophe and stands for itself before anything else.
 */
function readValue(cursor: Cursor): string | undefined {
  const { text } = cursor;
  let value = '';
  while (cursor.at < text.length) {
    const char = text[cursor.at++];
    if (char === ',') return value;
    if (char === "'") {
      const close = text.indexOf("'", cursor.at);
      if (close < 0) return undefined;
      value += text.slice(cursor.at, close);
      cursor.at = close + 1;
    } else if (char === '\\') {
      const escaped = text[cursor.at++] ?? '';
      value += escaped === "'" ? "'" : `\\${escaped}`;
    } else {
      value += char;
    }
  }
  return value;
}
