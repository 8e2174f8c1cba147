import type { Argument } from '#bridge/introspection/introspection.js';

/*
 * TypeScript identifiers for D-Bus names. The names of members are kept as they are. Interfaces and
 * parameters get names in the style of TypeScript, as those are not looked up at run time.
 */

/** Words that no parameter can have as its name; ECMAScript, "Keywords and Reserved Words". */
const RESERVED_WORDS = new Set(
  `arguments await break case catch class const continue debugger default delete do else enum eval export
  extends false finally for function if implements import in instanceof interface let new null package
  private protected public return static super switch this throw true try typeof var void while with
  yield`.split(/\s+/),
);

/** Names that the generated module imports, or whose meaning its readers take for granted. */
const TAKEN_IDENTIFIERS =
  `Capability CapabilityTo FileDescriptor InterfaceDescription MappedNames NoMembers ObjectReference ReadOnly ReadWrite
  Variant WriteOnly Array ArrayBuffer BigInt Boolean Date Error Function Infinity Map NaN Number Object
  Promise Proxy Record RegExp Set String Symbol Uint8Array`.split(/\s+/);

/** What the module declares for an interface; the first is its value, the others are types. */
export interface InterfaceIdentifiers {
  readonly description: string;
  readonly methods: string;
  readonly signals: string;
  readonly properties: string;
}

/**
 * Identifiers for different interfaces: the last element of the name, or as many as it takes to tell
 * them apart. They do not depend on the order of the names, unless nothing but numbers helps.
 */
export function interfaceIdentifiers(
  names: readonly string[],
): ReadonlyMap<string, InterfaceIdentifiers> {
  const found = new Map<string, InterfaceIdentifiers>();
  const taken = new Set(TAKEN_IDENTIFIERS);
  const settle = (name: string, identifiers: InterfaceIdentifiers): void => {
    found.set(name, identifiers);
    for (const identifier of Object.values(identifiers)) taken.add(identifier);
  };
  const longest = Math.max(0, ...names.map((name) => name.split('.').length));
  for (let length = 1; length <= longest; length++) {
    const pending = names.filter((name) => !found.has(name));
    const candidates = pending.map((name) => [name, identifiersFrom(name, length)] as const);
    const uses = countUses(candidates.map(([, identifiers]) => identifiers));
    for (const [name, identifiers] of candidates) {
      const all = Object.values(identifiers);
      if (all.every((one) => uses.get(one) === 1 && !taken.has(one))) settle(name, identifiers);
    }
  }
  for (const name of names.filter((one) => !found.has(one))) settle(name, numbered(name, taken));
  return new Map(names.map((name) => [name, found.get(name)!]));
}

function identifiersFrom(name: string, elements: number): InterfaceIdentifiers {
  const words = name.split('.').slice(-elements).flatMap(wordsOf);
  const joined = words.map(capitalised).join('');
  return family(/^[A-Za-z]/.test(joined) ? joined : `_${joined}`);
}

function numbered(name: string, taken: ReadonlySet<string>): InterfaceIdentifiers {
  const { description } = identifiersFrom(name, Infinity);
  let identifiers = family(description);
  for (let number = 2; Object.values(identifiers).some((one) => taken.has(one)); number++) {
    identifiers = family(`${description}_${number}`);
  }
  return identifiers;
}

function family(description: string): InterfaceIdentifiers {
  return {
    description,
    methods: `${description}Methods`,
    signals: `${description}Signals`,
    properties: `${description}Properties`,
  };
}

function countUses(families: readonly InterfaceIdentifiers[]): Map<string, number> {
  const uses = new Map<string, number>();
  for (const identifier of families.flatMap((one) => Object.values(one))) {
    uses.set(identifier, (uses.get(identifier) ?? 0) + 1);
  }
  return uses;
}

/** Names for the arguments of one method or signal, all different; the specification allows any text. */
export function parameterNames(args: readonly Argument[]): string[] {
  const names: string[] = [];
  for (const [index, { name }] of args.entries()) {
    const wanted = parameterName(name, index);
    let free = wanted;
    for (let number = 2; names.includes(free); number++) free = `${wanted}_${number}`;
    names.push(free);
  }
  return names;
}

function parameterName(name: string, index: number): string {
  const [first, ...rest] = wordsOf(name);
  if (first === undefined) return `arg${index}`;
  const joined = [uncapitalised(first), ...rest.map(capitalised)].join('');
  if (/^\d/.test(joined)) return `_${joined}`;
  return RESERVED_WORDS.has(joined) ? `${joined}_` : joined;
}

/** `access-point` to `AccessPoint`. */
export function pascal(name: string): string {
  return wordsOf(name).map(capitalised).join('');
}

/** ASCII only: beyond it, compilers differ in what they take for a letter. */
function wordsOf(name: string): string[] {
  return name.match(/[A-Za-z0-9]+/g) ?? [];
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** `Name` to `name`, and `URIList` to `uriList`. */
function uncapitalised(word: string): string {
  return word.replace(/^[A-Z]+(?![a-z])|^[A-Z]/, (capitals) => capitals.toLowerCase());
}

/** A name as a key in a type. */
export function typeKey(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) ? name : stringLiteral(name);
}

/** A name as a key in an object, where `__proto__` would be no key without its brackets. */
export function objectKey(name: string): string {
  return name === '__proto__' ? `['${name}']` : typeKey(name);
}

/** A string literal with the quotes that the formatter prefers; control and invisible characters are escaped. */
export function stringLiteral(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[\\'\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu, (character) => {
    if (character === "'" && quote === '"') return character;
    if (/[\\']/.test(character)) return `\\${character}`;
    return Array.from({ length: character.length }, (_, i) => unicodeEscape(character, i)).join('');
  });
  return `${quote}${escaped}${quote}`;
}

function unicodeEscape(text: string, index: number): string {
  return `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`;
}
