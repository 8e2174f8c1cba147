import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';

const ROOT = dirname(dirname(import.meta.dirname));
const NOT_OURS = new Set(['node_modules', 'build', 'dist', '.git', 'bench-results', '__pycache__']);
const TEXT = /\.(?:ts|mjs|py|sh|md|ya?ml|json)$|^\.ci\/run$/;

/** The folders that make up the product; everything else is tests and furniture. */
export const SOURCE_FOLDERS = ['bus1-core', 'bridge', 'policy', 'mappings'] as const;

export interface SourceFile {
  /** Path from the repository's root, with forward slashes. */
  path: string;
  text: string;
  lines: string[];
}

/** Every text file of the repository. */
export function allFiles(): SourceFile[] {
  return pathsBelow(ROOT)
    .map((path) => relative(ROOT, path))
    .filter((path) => TEXT.test(path))
    .toSorted()
    .map((path) => {
      const text = readFileSync(join(ROOT, path), 'utf8');
      return { path, text, lines: text.split('\n') };
    });
}

function pathsBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !NOT_OURS.has(entry.name))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? pathsBelow(path) : [path];
    });
}

export const isTypeScript = (file: SourceFile): boolean => /\.(?:ts|mjs)$/.test(file.path);

export const isSource = (file: SourceFile): boolean =>
  isTypeScript(file) && SOURCE_FOLDERS.some((folder) => file.path.startsWith(`${folder}/`));

/** What a test prints for one broken rule: where, what, and what to do instead. */
export function finding(path: string, line: number, rule: string, instead: string): string {
  return `${path}:${line}: ${rule}; ${instead}`;
}

export interface Import {
  file: string;
  line: number;
  /** As written, for example `#core/index.js`. */
  specifier: string;
  /** The imported .ts file from the repository's root; undefined for packages and node: modules. */
  target: string | undefined;
  /** nothing is left of it when types have been stripped */
  isType: boolean;
}

/** `import type …`, `export type …`, or braces in which each name is a type. */
function isTypeOnly(statement: string): boolean {
  if (/^(?:import|export)\s+type\s/.test(statement)) return true;
  const names = /^(?:import|export)\s*\{([^}]*)\}/.exec(statement)?.[1];
  if (names === undefined) return false;
  const all = names
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return all.length > 0 && all.every((name) => name.startsWith('type '));
}

// import … from 'x', export … from 'x', import 'x', import('x'), new URL('x', import.meta.url)
const IMPORTS = [
  /^(?:import|export)\s[^;'"]*?\bfrom\s+'([^']+)'/gm,
  /^import\s+'([^']+)'/gm,
  /\bimport\(\s*'([^']+)'\s*\)/g,
  /\bnew URL\(\s*'([^']+)',\s*import\.meta\.url/g,
];

// As in package.json, `imports`.
const SUBPATHS: readonly [string, string][] = [
  ['#core/', 'bus1-core/'],
  ['#bridge/', 'bridge/'],
  ['#policy/', 'policy/'],
  ['#mappings/', 'mappings/'],
];

/** Everything that a file imports, whichever way. */
export function importsOf(file: SourceFile): Import[] {
  return IMPORTS.flatMap((pattern) =>
    [...file.text.matchAll(pattern)].map((match) => {
      const specifier = match[1] ?? '';
      const line = file.text.slice(0, match.index + match[0].length).split('\n').length;
      return {
        file: file.path,
        line,
        specifier,
        target: targetOf(file.path, specifier),
        isType: isTypeOnly(match[0]),
      };
    }),
  );
}

function targetOf(importer: string, specifier: string): string | undefined {
  const path = specifier.startsWith('.')
    ? posix.join(posix.dirname(importer), specifier)
    : fromSubpath(specifier);
  return path?.replace(/\.js$/, '.ts');
}

function fromSubpath(specifier: string): string | undefined {
  if (specifier === '#core') return 'bus1-core/index.ts';
  const found = SUBPATHS.find(([prefix]) => specifier.startsWith(prefix));
  return found && found[1] + specifier.slice(found[0].length);
}
