// Which folder may import which. The reasons are in DESIGN, "The house".
import { describe, expect, test } from 'vitest';
import {
  type Import,
  SOURCE_FOLDERS,
  allFiles,
  finding,
  importsOf,
  isSource,
  isTypeScript,
} from './source-files.js';

interface Rule {
  /** The rule is about imports written in files below these folders… */
  files: readonly string[];
  /** …and for which this holds. */
  forbids: (statement: Import) => boolean;
  rule: string;
  instead: string;
}

const below = (path: string | undefined, folders: readonly string[]): boolean =>
  folders.some((folder) => path?.startsWith(`${folder}/`));

const topFolder = (path: string): string => path.split('/')[0] ?? '';

const LINUX_USERS = ['host', 'client', 'socket', 'uplink', 'bench', 'control'].map(
  (one) => `bridge/${one}`,
);

/** Modules of Node that only compute. */
const PURE_NODE = ['node:assert', 'node:buffer', 'node:crypto', 'node:util'];

const doesIO = ({ specifier, target }: Import): boolean =>
  target === undefined && !PURE_NODE.includes(specifier);

const RULES: Rule[] = [
  {
    files: ['bus1-core'],
    forbids: ({ target }) => below(target, ['bridge', 'policy', 'mappings']),
    rule: 'bus1-core imports nothing of the other folders',
    instead: 'let the bridge hand it what it needs',
  },
  {
    files: ['policy'],
    forbids: ({ target }) => below(target, ['bridge', 'mappings']),
    rule: 'policy imports neither bridge nor mappings',
    instead: 'take plain values as arguments',
  },
  {
    files: ['mappings'],
    forbids: ({ target }) => below(target, ['bridge', 'policy']),
    rule: 'mappings import neither bridge nor policy',
    instead: 'take plain values as arguments',
  },
  {
    files: SOURCE_FOLDERS,
    forbids: ({ specifier, file }) => specifier === 'koffi' && !file.startsWith('bus1-core/linux/'),
    rule: 'only bus1-core/linux imports koffi',
    instead: 'add a typed function there and use it',
  },
  {
    files: ['bridge/wire'],
    forbids: (statement) =>
      doesIO(statement) ||
      (statement.target !== undefined && !below(statement.target, ['bridge/wire'])),
    rule: 'bridge/wire does no I/O and needs nothing but itself',
    instead: 'take bytes as arguments',
  },
  {
    files: ['bridge/sasl'],
    forbids: (statement) =>
      doesIO(statement) ||
      (statement.target !== undefined && !below(statement.target, ['bridge/sasl', 'bridge/wire'])),
    rule: 'bridge/sasl does no I/O and needs nothing but itself and bridge/wire',
    instead: 'take lines and callbacks as arguments',
  },
  {
    files: ['bridge', 'policy', 'mappings'],
    forbids: ({ target }) =>
      below(target, ['bus1-core']) &&
      target !== 'bus1-core/index.ts' &&
      target !== 'bus1-core/shared/index.ts' &&
      !below(target, ['bus1-core/linux']),
    rule: 'the core is used through its public index alone',
    instead: 'import from #core/index.js; if that lacks something, the core needs a better door',
  },
  {
    files: ['bridge', 'policy', 'mappings'],
    forbids: ({ target, file }) => below(target, ['bus1-core/linux']) && !below(file, LINUX_USERS),
    rule: `only ${LINUX_USERS.join(', ')} use #core/linux`,
    instead: 'move what needs the system there',
  },
  {
    files: [...SOURCE_FOLDERS, 'test'],
    forbids: ({ specifier, target, file }) =>
      specifier.startsWith('../') && topFolder(target ?? '') !== topFolder(file),
    rule: 'no ../ from one top-level folder to another',
    instead: 'use #core/, #bridge/, #policy/ or #mappings/',
  },
  {
    files: [...SOURCE_FOLDERS, 'test'],
    forbids: ({ specifier }) => specifier.startsWith('../../..'),
    rule: 'no ../../..',
    instead: 'use #core/, #bridge/, #policy/ or #mappings/',
  },
  {
    files: [...SOURCE_FOLDERS, 'test'],
    forbids: ({ specifier }) => /(?:^|\/)dist\//.test(specifier),
    rule: 'nothing imports dist by its path',
    instead: 'use #core/, #bridge/, #policy/ or #mappings/',
  },
];

const files = allFiles();
const imports = files.filter(isTypeScript).flatMap(importsOf);

describe('imports', () => {
  test('are found in every source folder that has files', () => {
    const importing = new Set(imports.map((statement) => topFolder(statement.file)));
    const existing = new Set(files.filter(isSource).map((file) => topFolder(file.path)));
    expect([...importing]).toEqual(expect.arrayContaining([...existing]));
  });

  const titled = RULES.map((rule) => [rule.rule, rule] as const);
  test.each(titled)('%s', (rule, { files: folders, forbids, instead }) => {
    const findings = imports
      .filter((statement) => below(statement.file, folders) && forbids(statement))
      .map((found) => finding(found.file, found.line, `${rule} (${found.specifier})`, instead));
    expect(findings).toEqual([]);
  });

  test('lead to files that exist', () => {
    const paths = new Set(files.map((file) => file.path));
    const findings = imports
      .filter(({ target }) => target !== undefined && target.endsWith('.ts') && !paths.has(target))
      .map((found) => finding(found.file, found.line, `no file ${found.target}`, 'correct it'));
    expect(findings).toEqual([]);
  });
});
