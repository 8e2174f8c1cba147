// Makes dist/, which is what is published, from build/, which is what tsc makes of the sources.
//
// A program that is loaded from a thousand files starts slowly, and a bus is started often: at each boot, login and
// test. So each group of programs is bundled with the libraries that it uses, apart from koffi, which is native.
// Within a group, what several programs need is shared: an outside program that imports two of the library's files
// gets one instance of each module.
import { build } from 'esbuild';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '..');
const BUILD = join(ROOT, 'build');
const DIST = join(ROOT, 'dist');

const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** What package.json exports, as paths below dist. */
const EXPORTED = Object.values(exports).flatMap((target) => {
  const path = typeof target === 'string' ? target : target.default;
  return path.startsWith('./dist/') ? [path.slice('./dist/'.length)] : [];
});

/** Files that outside programs import by their path, and one that Node loads into a thread of its own. */
const DEEP_IMPORTS = [
  'bridge/client/member.js',
  'bridge/wire/message.js',
  'bridge/client/dbus-next/resolve-hook.js',
];

/** Programs that are started together share what they are made of, others would only add files to look into. */
const GROUPS = {
  daemon: ['bridge/cli/bus1-dbus-daemon.js'],
  programs: [
    'bridge/cli/bus1-bridge.js',
    'bridge/control/daemon-program.js',
    'bridge/control/host-program.js',
  ],
  hostThread: ['bridge/control/host-worker.js'],
  library: [...new Set([...EXPORTED, ...DEEP_IMPORTS])],
  bench: ['main', 'check', 'caller', 'service', 'companion'].map(
    (name) => `bridge/bench/${name}.js`,
  ),
};

/** dbus-next is what its users bring along; in the commands it is a library like any other. */
const EXTERNAL = { library: ['dbus-next'], bench: ['dbus-next', 'bus1-bridge'] };

/** CommonJS packages call `require` for modules of Node. */
const REQUIRE = [
  "import { createRequire as requireFrom } from 'node:module';",
  'const require = requireFrom(import.meta.url);',
].join('\n');

/** What is not used of these packages can be left out: loading them does nothing. Not all of them say so. */
const dropUnused = {
  name: 'drop-unused',
  setup({ onResolve, resolve: find }) {
    onResolve(
      { filter: /^(?:yaml|saxes|xmlchars\/.*|pino|commander)$/ },
      async ({ path: name, kind, importer, resolveDir, pluginData }) => {
        if (pluginData === 'found') return undefined;
        const { path } = await find(name, { kind, importer, resolveDir, pluginData: 'found' });
        return { path, sideEffects: false };
      },
    );
  },
};

/** Bundles a group; returns the paths of the modules that went in. */
async function bundle([group, entries]) {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: entries.map((entry) => join(BUILD, entry)),
    outbase: BUILD,
    outdir: DIST,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    // As deep as the modules were: paths that start at import.meta.url stay right if they name the folder.
    chunkNames: `bridge/chunks/${group}-[hash]`,
    external: EXTERNAL[group] ?? [],
    alias: {
      usocket: join(ROOT, 'packaging/usocket.cjs'),
      x11: join(ROOT, 'packaging/x11.cjs'),
      koffi: join(ROOT, 'packaging/koffi.mjs'),
      // Of ES modules, only what is used goes in.
      rxjs: join(ROOT, 'node_modules/rxjs/dist/esm/index.js'),
      yaml: join(ROOT, 'node_modules/yaml/browser/index.js'),
    },
    banner: { js: REQUIRE },
    legalComments: 'none',
    sourcemap: true,
    metafile: true,
    plugins: [dropUnused],
    logLevel: 'warning',
  });
  return Object.keys(metafile.inputs);
}

/** The script of the benchmark's HTML report, which runs in a browser; the tests want it beside what tsc has made. */
async function bundlePage() {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['bridge/bench/page/page.ts'],
    outfile: join(BUILD, 'bridge/bench/page.js'),
    bundle: true,
    minify: true,
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  });
  return Object.keys(metafile.inputs);
}

/** The licence texts of everything that is inside, for a file beside it. */
function licences(inputs) {
  const packages = new Map();
  for (const input of inputs) {
    const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (folder !== undefined) packages.set(folder.replace(/^.*node_modules\//, ''), folder);
  }
  const parts = [...packages.keys()]
    .toSorted((a, b) => a.localeCompare(b))
    .map((name) => licenceOf(name, join(ROOT, packages.get(name))));
  return `dist/ contains the following packages.\n\n${parts.join('\n')}`;
}

function licenceOf(name, folder) {
  const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((one) => /^(?:licen[cs]e|copying)/i.test(one));
  const text =
    file === undefined ? `${license} licence\n` : readFileSync(join(folder, file), 'utf8');
  return `== ${name} ${version} (${license})\n\n${text.trim()}\n`;
}

/**
 * Copies the declarations that the exported ones need. They name each other by relative paths, and rxjs is among them:
 * what a program can see of it is a few files, and a dependency on it would be 12 MB.
 */
function copyDeclarations() {
  writeRxjsIndex();
  const waiting = GROUPS.library.map((entry) => join(BUILD, entry.replace(/\.js$/, '.d.ts')));
  const copied = new Set();
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (copied.has(file)) continue;
    copied.add(file);
    const from = file;
    const text = readFileSync(file, 'utf8').replace(
      /(\bfrom |\bimport\(|^import )(['"])([^'"]+)\2/gm,
      (all, before, quote, specifier) => {
        const target = declarationOf(specifier, from);
        if (target === undefined) return all;
        waiting.push(target);
        const path = relative(dirname(placeOf(from)), placeOf(target)).replace(/\.d\.ts$/, '.js');
        return `${before}${quote}${path.startsWith('.') ? path : `./${path}`}${quote}`;
      },
    );
    write(placeOf(file), text.replace(/^\/\/(?:# sourceMappingURL=|\/ <reference path=).*$/gm, ''));
  }
}

const RXJS = join(ROOT, 'node_modules/rxjs/dist/types');

/** What of rxjs our declarations name. */
const RXJS_NAMES = {
  'internal/Observable': 'export { Observable }',
  'internal/Subject': 'export { Subject }',
  'internal/Subscription': 'export { Subscription }',
  'internal/types': 'export type { Observer, TeardownLogic, Unsubscribable }',
};

function writeRxjsIndex() {
  const lines = Object.entries(RXJS_NAMES).map(
    ([path, names]) => `${names} from '${relative(BUILD, join(RXJS, path))}.js';`,
  );
  write(join(BUILD, 'rxjs.d.ts'), `${lines.join('\n')}\n`);
}

function declarationOf(specifier, importer) {
  if (specifier === 'rxjs') return join(BUILD, 'rxjs.d.ts');
  const subpath = /^#(core|bridge|policy|mappings)\/(.*)\.js$/.exec(specifier);
  if (subpath !== null) {
    return join(BUILD, subpath[1] === 'core' ? 'bus1-core' : subpath[1], `${subpath[2]}.d.ts`);
  }
  if (!specifier.startsWith('.')) return undefined;
  const path = resolve(dirname(importer), specifier.replace(/\.js$/, ''));
  return [`${path}.d.ts`, join(path, 'index.d.ts')].find((one) => existsSync(one));
}

function placeOf(file) {
  return file.startsWith(RXJS)
    ? join(DIST, 'rxjs', relative(RXJS, file))
    : join(DIST, relative(BUILD, file));
}

function write(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** Whoever looks into a library's code finds it at the library's own place: only our sources are in the maps. */
function keepOwnSources() {
  const maps = readdirSync(DIST, { recursive: true }).filter((path) => path.endsWith('.map'));
  for (const path of maps) {
    const map = JSON.parse(readFileSync(join(DIST, path), 'utf8'));
    map.sourcesContent = map.sourcesContent?.map((text, index) =>
      map.sources[index].includes('node_modules/') ? null : text,
    );
    writeFileSync(join(DIST, path), JSON.stringify(map));
  }
}

rmSync(DIST, { recursive: true, force: true });
const inputs = await Promise.all([...Object.entries(GROUPS).map(bundle), bundlePage()]);
keepOwnSources();
copyDeclarations();
cpSync(join(BUILD, 'bridge/bench/page.js'), join(DIST, 'bridge/bench/page.js'));
write(join(DIST, 'LICENCES.txt'), licences(inputs.flat()));
for (const program of ['bus1-bridge', 'bus1-dbus-daemon']) {
  chmodSync(join(DIST, `bridge/cli/${program}.js`), 0o755);
}
