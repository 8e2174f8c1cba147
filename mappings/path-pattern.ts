/**
 * The object paths of one kind of object: `/org/freedesktop/login1/session/{id}`. A variable
 * stands for one or more characters inside one element, `{name...}` at the end for one or more
 * whole elements.
 */
export interface PathPattern {
  readonly text: string;
  readonly variables: readonly string[];
  readonly expression: RegExp;
}

/* "Valid Object Paths": elements of [A-Z][a-z][0-9]_ only. */
const LITERAL = /^\w+$/;
const PIECE = /\{[^}]*\}|[^{]+/g;
const VARIABLE = /^\{([a-z]\w*)\}$/;
const REST = /^\{([a-z]\w*)\.\.\.\}$/;

/** The pattern, or what is wrong with the text. */
export function parsePathPattern(text: string): PathPattern | string {
  if (!text.startsWith('/')) return `"${text}" does not begin with "/"`;
  if (text === '/') return { text, variables: [], expression: /^\/$/ };
  const variables: string[] = [];
  let source = '';
  const elements = text.slice(1).split('/');
  for (const [index, element] of elements.entries()) {
    const compiled = compileElement(element, index === elements.length - 1, variables);
    if (compiled === undefined)
      return `"${element}" in "${text}" is not an element of an object path`;
    source += `/${compiled}`;
  }
  if (new Set(variables).size < variables.length) return `"${text}" has a variable twice`;
  return { text, variables, expression: new RegExp(`^${source}$`) };
}

/** An element as a regular expression; adds the variables in it. */
function compileElement(element: string, isLast: boolean, variables: string[]): string | undefined {
  const rest = REST.exec(element)?.[1];
  if (rest !== undefined) {
    variables.push(rest);
    return isLast ? `(\\w+(?:/\\w+)*)` : undefined;
  }
  let source = '';
  for (const [piece] of element.matchAll(PIECE)) {
    const variable = VARIABLE.exec(piece)?.[1];
    if (variable === undefined && !LITERAL.test(piece)) return undefined;
    if (variable !== undefined) variables.push(variable);
    source += variable === undefined ? piece : `(\\w+)`;
  }
  return source === '' ? undefined : source;
}

/** The variables of a path that the pattern matches, by name; undefined if it does not match. */
export function matchPath(
  pattern: PathPattern,
  path: string,
): Readonly<Record<string, string>> | undefined {
  const match = pattern.expression.exec(path);
  if (match === null) return undefined;
  return Object.fromEntries(pattern.variables.map((name, index) => [name, match[index + 1] ?? '']));
}

/** The path in which each variable has its value; throws a RangeError when one has none. */
export function expandPath(pattern: PathPattern, values: Readonly<Record<string, string>>): string {
  return pattern.text.replace(/\{(\w+)(?:\.\.\.)?\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new RangeError(`${pattern.text}: ${name} has no value`);
    return value;
  });
}

/** How much of a path the pattern spells out; of two that match, the greater one is meant. */
export function pathSpecificity(pattern: PathPattern): number {
  return pattern.text.replace(/\{[^}]*\}/g, '').length;
}
