import * as v from 'valibot';
import { LineCounter, isMap, isNode, isScalar, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import { closest } from './closest.js';
import { byPosition, errorAt } from './diagnostic.js';
import type { Diagnostic, SourcePosition } from './diagnostic.js';
import { MappingFile, keysAt } from './schema.js';

/** Names or indexes that lead from the root of a document to something in it. */
export type DocumentPath = readonly (string | number)[];

/** The text of a mapping file, in which each key and value has a line and a column. */
export class MappingDocument {
  readonly #file: string;
  readonly #lines = new LineCounter();
  readonly #document: Document;

  constructor(text: string, file: string) {
    this.#file = file;
    this.#document = parseDocument(text, {
      schema: 'failsafe',
      prettyErrors: false,
      logLevel: 'silent',
      lineCounter: this.#lines,
    });
  }

  /** The values, or the reasons why the text is not a mapping file. */
  read(): { readonly file: MappingFile } | { readonly diagnostics: readonly Diagnostic[] } {
    const malformed = this.#document.errors.map(({ pos, message }) =>
      errorAt(this.#position(pos[0]), 'malformed', `malformed YAML: ${message}`),
    );
    if (malformed.length > 0) return { diagnostics: malformed };
    let values: unknown;
    try {
      values = this.#document.toJS();
    } catch (error) {
      // An alias without its anchor, or too many aliases.
      const message = error instanceof Error ? error.message : String(error);
      return {
        diagnostics: [errorAt(this.#position(0), 'malformed', `malformed YAML: ${message}`)],
      };
    }
    const result = v.safeParse(MappingFile, values);
    if (result.success) return { file: result.output };
    const diagnostics = result.issues.map((issue) => this.#diagnostic(deepestIssue(issue)));
    return { diagnostics: diagnostics.toSorted(byPosition) };
  }

  /** Where the key at the end of `path` stands, or the innermost thing around it that is there. */
  keyAt(path: DocumentPath): SourcePosition {
    const parent = this.#document.getIn(path.slice(0, -1), true);
    const last = String(path.at(-1));
    const pair = isMap(parent)
      ? parent.items.find(({ key }) => isScalar(key) && String(key.value) === last)
      : undefined;
    const range = isNode(pair?.key) ? pair.key.range : undefined;
    return range ? this.#position(range[0]) : this.valueAt(path);
  }

  /** The position of the value. */
  valueAt(path: DocumentPath): SourcePosition {
    for (let length = path.length; length > 0; length--) {
      const node = this.#document.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return this.#position(node.range[0]);
    }
    return this.#position(0);
  }

  #position(offset: number): SourcePosition {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#file, line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  #diagnostic(issue: Issue): Diagnostic {
    const path = (issue.path ?? []).map(({ key }) => (typeof key === 'number' ? key : String(key)));
    const where = path.length === 0 ? 'the file' : path.join('.');
    if (issue.expected === 'never') return this.#unknownKey(path);
    if (issue.received === 'undefined') {
      const message = `${where} is missing`;
      return errorAt(this.keyAt(path.slice(0, -1)), 'malformed', message);
    }
    return errorAt(this.valueAt(path), 'malformed', `${where}: ${complaintOf(issue)}`);
  }

  #unknownKey(path: DocumentPath): Diagnostic {
    const key = String(path.at(-1));
    const suggestion = closest(key, keysAt(path.slice(0, -1).map(String)));
    const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
    return errorAt(this.keyAt(path), 'unknown-key', `there is no key "${key}" here${hint}`);
  }
}

interface Issue {
  readonly message: string;
  readonly expected?: string | null | undefined;
  readonly received?: string | undefined;
  readonly path?: readonly { readonly key?: unknown }[] | undefined;
  readonly issues?: readonly Issue[] | undefined;
}

/** Longest value that a diagnostic quotes, in characters. */
const SHOWN_MAX = 40;

/** What valibot says that `nonEmpty` expects. */
const NON_EMPTY = '!0';

/** What a schema expects, in the words of YAML. */
function complaintOf({ message, expected, received: found = 'something else' }: Issue): string {
  /* a file that is no mapping at all is not printed as a whole */
  const received = found.length > SHOWN_MAX ? `a text of ${found.length - 2} characters` : found;
  if (expected === 'Object') return `a mapping is expected here, not ${received}`;
  if (expected === 'Array') return `a list is expected here, not ${received}`;
  if (expected === NON_EMPTY) return message;
  return expected ? `${expected} is expected here, not ${received}` : message;
}

/** Of the issues of a union's alternatives, the one at the deepest path is the most specific. */
function deepestIssue(issue: Issue): Issue {
  const depth = (one: Issue): number => one.path?.length ?? 0;
  const inner = (issue.issues ?? []).map((nested) => deepestIssue(nested));
  const deepest = inner.toSorted((a, b) => depth(b) - depth(a))[0];
  if (deepest === undefined || depth(deepest) === 0) return issue;
  return { ...deepest, path: [...(issue.path ?? []), ...(deepest.path ?? [])] };
}
