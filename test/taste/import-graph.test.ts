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

const LINUX_USERS = ['host', 'client', 'socket', 'sandbox', 'uplink', 'bench', 'control'].map(
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
      /* about V8, and no part of what the core promises */
      target !== 'bus1-core/stable-shape.ts' &&
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

/**
 * The folders of the product, each with those that it may import, beside itself and what is below them. A folder that
 * is not in the table fails the test, so the table is the map of the house.
 */
const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  'bus1-core': [],
  policy: [],
  mappings: [],
  'bridge/wire': [],
  'bridge/sasl': ['bridge/wire'],
  'bridge/introspection': ['bridge/wire', 'mappings'],
  'bridge/socket': ['bridge/sasl', 'bridge/wire', 'bus1-core'],
  'bridge/sandbox': [
    'bridge/driver',
    'bridge/host',
    'bridge/sasl',
    'bridge/socket',
    'bridge/wire',
    'bus1-core',
    'policy',
  ],
  'bridge/registry': ['bridge/wire', 'bus1-core', 'policy'],
  'bridge/peer': ['bridge/registry', 'bridge/wire', 'bus1-core', 'policy'],
  'bridge/driver': ['bridge/peer', 'bridge/registry', 'bridge/wire', 'bus1-core', 'policy'],
  'bridge/activation': [
    'bridge/driver',
    'bridge/peer',
    'bridge/registry',
    'bridge/wire',
    'bus1-core',
    'policy',
  ],
  'bridge/client': [
    'bridge/introspection',
    'bridge/registry',
    'bridge/socket',
    'bridge/wire',
    'bus1-core',
    'policy',
  ],
  'bridge/generate': ['bridge/introspection', 'bridge/socket', 'bridge/wire', 'mappings'],
  'bridge/testing': ['bridge/client', 'bridge/introspection', 'bridge/wire', 'mappings'],
  'bridge/host': [
    'bridge/activation',
    'bridge/driver',
    'bridge/peer',
    'bridge/registry',
    'bridge/sasl',
    'bridge/wire',
    'bus1-core',
    'policy',
  ],
  'bridge/translation': [
    'bridge/client',
    'bridge/driver',
    'bridge/host',
    'bridge/peer',
    'bridge/registry',
    'bridge/wire',
    'bus1-core',
    'mappings',
    'policy',
  ],
  'bridge/uplink': [
    'bridge/driver',
    'bridge/host',
    'bridge/peer',
    'bridge/registry',
    'bridge/sasl',
    'bridge/socket',
    'bridge/wire',
    'bus1-core',
    'policy',
  ],
  'bridge/control': [
    'bridge/activation',
    'bridge/driver',
    'bridge/host',
    'bridge/sandbox',
    'bridge/sasl',
    'bridge/translation',
    'bridge/uplink',
    'bridge/wire',
    'bus1-core',
    'mappings',
    'policy',
  ],
  'bridge/bench': ['bridge/client', 'bridge/control', 'bridge/sasl', 'bridge/wire', 'bus1-core'],
  'bridge/cli': [
    'bridge/bench',
    'bridge/control',
    'bridge/driver',
    'bridge/generate',
    'bridge/introspection',
    'bridge/registry',
    'bridge/sandbox',
    'bridge/socket',
    'bridge/uplink',
    'bridge/wire',
    'bus1-core',
    'mappings',
    'policy',
  ],
};

/** The folder of the house that a file lies in. */
function folderOf(path: string): string {
  const [top, folder] = path.split('/');
  return top === 'bridge' ? `${top}/${folder}` : top;
}

/** Groups of nodes of which each can be reached from each other: Tarjan's algorithm. */
function circles(graph: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const found: string[][] = [];
  const numbers = new Map<string, number>();
  const stack: string[] = [];
  const visit = (node: string): number => {
    const own = numbers.size;
    numbers.set(node, own);
    stack.push(node);
    let lowest = own;
    for (const next of graph.get(node) ?? []) {
      if (!numbers.has(next)) lowest = Math.min(lowest, visit(next));
      else if (stack.includes(next)) lowest = Math.min(lowest, numbers.get(next)!);
    }
    if (lowest === own) {
      const circle = stack.splice(stack.indexOf(node));
      if (circle.length > 1) found.push(circle.toSorted());
    }
    return lowest;
  };
  for (const node of graph.keys()) if (!numbers.has(node)) visit(node);
  return found;
}

function graphOf(edges: readonly (readonly [string, string])[]): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>();
  for (const [from, to] of edges) {
    if (from === to) continue;
    graph.set(from, (graph.get(from) ?? new Set()).add(to));
  }
  return graph;
}

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

  const inside = imports.filter(
    ({ file, target }) =>
      target?.endsWith('.ts') === true &&
      below(file, SOURCE_FOLDERS) &&
      below(target, SOURCE_FOLDERS),
  );

  test('go from a folder only to those that the table allows it', () => {
    const findings = inside
      .filter(({ file, target }) => {
        const [from, to] = [folderOf(file), folderOf(target!)];
        return from !== to && !(FOLDERS[from] ?? []).includes(to);
      })
      .map(({ file, line, target }) =>
        finding(file, line, `${folderOf(file)} imports ${folderOf(target!)}`, 'turn it round'),
      );
    expect(findings).toEqual([]);
  });

  test('are forbidden or allowed for every folder that there is, and for no other', () => {
    const folders = new Set(files.filter(isSource).map(({ path }) => folderOf(path)));
    expect(Object.keys(FOLDERS).toSorted()).toEqual([...folders].toSorted());
    expect(
      circles(graphOf(Object.entries(FOLDERS).flatMap(([a, all]) => all.map((b) => [a, b])))),
    ).toEqual([]);
  });

  test('allowed by the table are used: what nobody needs is not allowed', () => {
    const used = new Set(
      inside.map(({ file, target }) => `${folderOf(file)} ${folderOf(target!)}`),
    );
    const unused = Object.entries(FOLDERS).flatMap(([from, all]) =>
      all.filter((to) => !used.has(`${from} ${to}`)).map((to) => `${from} -> ${to}`),
    );
    expect(unused).toEqual([]);
  });

  test('of values make no circle between files; those of types may', () => {
    const values = inside.filter(({ isType }) => !isType);
    expect(circles(graphOf(values.map(({ file, target }) => [file, target!])))).toEqual([]);
  });
});
