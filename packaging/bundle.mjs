// Makes dist/, which is what is published, from build/, which is what tsc makes of the sources.
//
// A program that is loaded from a thousand files starts slowly, and a bus is started often: at each boot, login and
// test. So each group of programs is bundled with the libraries that it uses, apart from koffi, which is native.
// Within the library, what several files need is shared: an outside program that imports two of them gets one instance
// of each module. Programs are CommonJS, a file each, because Node starts that in half the time; what a program imports
// by import() is a file of its own, of which V8's code is kept (bridge/control/code-cache.ts).
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
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
import { createRequire } from 'node:module';
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

/** ES modules that share what they are made of. */
const GROUPS = {
  library: [...new Set([...EXPORTED, ...DEEP_IMPORTS])],
  bench: ['main', 'check', 'caller', 'service', 'companion'].map(
    (name) => `bridge/bench/${name}.js`,
  ),
};

/** What is started: as a process, or as a thread. */
const PROGRAMS = [
  'bridge/cli/bus1-bridge.js',
  'bridge/cli/bus1-dbus-daemon.js',
  'bridge/control/daemon-program.js',
  'bridge/control/host-program.js',
];

/** The program of a thread, which a bus has the text of: see host-thread.ts. */
const WORKER = 'bridge/control/host-worker.js';

/** One file, whatever it imports later: its parts work on the same objects, and need the same classes. */
const DATA_PLANE = 'bridge/control/data-plane.js';

/**
 * What is in one file although it is imported one by one: it has most of its modules in common. Each part is looked at
 * by V8 when it is used.
 */
const TOGETHER = {
  'bridge/control/data-plane.cjs': ['bridge/control/data-plane.js', 'bridge/control/host-child.js'],
  'bridge/cli/daemon.cjs': [
    'bridge/cli/attach.js',
    'bridge/cli/daemon-main.js',
    'bridge/cli/run.js',
    'bridge/control/daemon-process.js',
    'bridge/control/daemonise.js',
    'bridge/driver/interfaces.js',
    'bridge/driver/introspectable.js',
  ],
  'bridge/cli/tools.cjs': [
    'bridge/bench/measure.js',
    'bridge/cli/adopt.js',
    'bridge/cli/denials.js',
    'bridge/cli/explain-live.js',
    'bridge/cli/explain.js',
    'bridge/cli/lint.js',
    'bridge/cli/mappings-bus.js',
    'bridge/cli/mappings-check.js',
    'bridge/cli/mappings-init.js',
    'bridge/cli/mappings-plan.js',
    'bridge/cli/mappings-survey.js',
    'bridge/cli/migrate.js',
    'bridge/cli/policy-convert.js',
    'bridge/cli/status.js',
    'bridge/generate/generate.js',
    'bridge/generate/live-introspection.js',
  ],
};

/** Programs that run for long. */
const MAPPED = ['daemon.cjs', 'data-plane.cjs'];

/** Where a module that is imported later goes: a file of its own, unless it is among those. */
const fileOf = (module) =>
  Object.keys(TOGETHER).find((file) => TOGETHER[file].includes(module)) ??
  module.replace(/\.js$/, '.cjs');

const membersOf = (file) => TOGETHER[file] ?? [file.replace(/\.cjs$/, '.js')];

/** dbus-next is what its users bring along; in the commands it is a library like any other. */
const EXTERNAL = { library: ['dbus-next'], bench: ['dbus-next', 'bus1-bridge'] };

/** CommonJS packages call `require` for modules of Node. */
const REQUIRE = [
  "import { createRequire as requireFrom } from 'node:module';",
  'const require = requireFrom(import.meta.url);',
].join('\n');

/** Globals that Node.js defines as accessors: each use calls a function, and the data plane has some in every turn. */
const HOT_GLOBALS =
  "const{Buffer}=require('node:buffer'),{performance}=require('node:perf_hooks');";

const MODULE_URL = "const moduleUrl = require('node:url').pathToFileURL(__filename).href;";

/** In the place of koffi there is a shorter way to it. */
const findKoffi = {
  name: 'find-koffi',
  setup({ onResolve }) {
    const short = join(ROOT, 'packaging/koffi.cjs');
    onResolve({ filter: /^koffi$/ }, ({ importer }) =>
      importer === short ? { path: 'koffi', external: true } : { path: short },
    );
  },
};

/** What is loaded by import() goes into a file of its own, and is loaded with the code that is kept of it. */
const loadLater = (folder, own, later) => ({
  name: 'load-later',
  setup({ onResolve, onLoad, resolve: find }) {
    const cache = join(BUILD, 'bridge/control/code-cache.js');
    onResolve(
      { filter: /^[.#]/ },
      async ({ path: name, kind, importer, resolveDir, pluginData }) => {
        if (kind !== 'dynamic-import' || pluginData === 'found') return undefined;
        const { path } = await find(name, { kind, importer, resolveDir, pluginData: 'found' });
        const module = relative(BUILD, path);
        if (own.includes(module)) return undefined;
        later.add(fileOf(module));
        return { path: module, namespace: 'later' };
      },
    );
    onLoad({ filter: /.*/, namespace: 'later' }, ({ path }) => {
      const file = `require('node:path').join(__dirname, '${relative(folder, fileOf(path))}')`;
      const program = `require('${cache}').loadProgram(${file}, require)`;
      const contents = `module.exports = ${program}['${path}']();`;
      return { contents, resolveDir: ROOT };
    });
  },
});

/** What a bus may never need is loaded when one of its exports is used. */
const LAZY =
  /^(?:(?:node:)?(?:assert|child_process|crypto|diagnostics_channel|net|tty|util|v8)|pino|yaml)$/;
const lazyModules = {
  name: 'lazy-modules',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: LAZY }, ({ path, namespace, kind }) => {
      if (namespace === 'lazy') return LAZY_PACKAGES[path];
      return kind === 'import-statement' ? { path, namespace: 'lazy' } : undefined;
    });
    onLoad({ filter: /.*/, namespace: 'lazy' }, ({ path }) => {
      const names = JSON.stringify(Object.keys(createRequire(import.meta.url)(path)));
      const contents = `let loaded;
        for (const name of ${names}) {
          const get = () => (loaded ??= require('${path}'))[name];
          Object.defineProperty(exports, name, { enumerable: true, get });
        }`;
      return { contents, resolveDir: ROOT };
    });
  },
};
const LAZY_PACKAGES = {
  pino: { path: join(ROOT, 'node_modules/pino/pino.js') },
  yaml: { path: join(ROOT, 'node_modules/yaml/browser/index.js') },
};

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

const COMMON = {
  absWorkingDir: ROOT,
  outbase: BUILD,
  outdir: DIST,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  alias: {
    usocket: join(ROOT, 'packaging/usocket.cjs'),
    x11: join(ROOT, 'packaging/x11.cjs'),
    // Of ES modules, only what is used goes in.
    rxjs: join(ROOT, 'node_modules/rxjs/dist/esm/index.js'),
    yaml: join(ROOT, 'node_modules/yaml/browser/index.js'),
  },
  legalComments: 'none',
  sourcemap: true,
  metafile: true,
  logLevel: 'warning',
};

/** Bundles a group; returns the paths of the modules that went in. */
async function bundle([group, entries]) {
  const { metafile } = await build({
    ...COMMON,
    entryPoints: entries.map((entry) => join(BUILD, entry)),
    splitting: true,
    format: 'esm',
    // As deep as the modules were: paths that start at import.meta.url stay right if they name the folder.
    chunkNames: `bridge/chunks/${group}-[hash]`,
    external: EXTERNAL[group] ?? [],
    sourcemap: group === 'library',
    minifyWhitespace: true,
    // Nobody calls the bench's functions, or keeps a stack trace of it.
    minifyIdentifiers: group === 'bench',
    minifySyntax: group === 'bench',
    lineLimit: 120,
    banner: { js: REQUIRE },
    plugins: [findKoffi, dropUnused],
  });
  return Object.keys(metafile.inputs);
}

/** Bundles what is started, and each file that it loads later; returns the paths of the modules that went in. */
async function bundlePrograms() {
  const later = new Set();
  const inputs = [];
  const worker = await bundleText(WORKER, [], later);
  inputs.push(...worker.inputs);
  const define = { HOST_WORKER: JSON.stringify(worker.outputFiles[0].text) };
  for (const path of PROGRAMS) inputs.push(...(await bundleProgram(path, [], later, define)));
  // It grows while it is walked through.
  for (const file of later)
    inputs.push(...(await bundleProgram(file, membersOf(file), later, define)));
  // package.json says that files are ES modules; these are not.
  for (const folder of new Set(PROGRAMS.map((path) => dirname(path)))) {
    write(join(DIST, folder, 'package.json'), '{ "type": "commonjs" }\n');
  }
  return inputs;
}

/**
 * Loaded without its spaces, code takes less memory; it keeps its names, and the map has the lines of the sources.
 *
 * @param own modules that the file offers, each by a function that loads it; none: the file is started as it is
 */
async function bundleProgram(file, own, later, define) {
  const { inputs, outputFiles } = await bundleText(file, own, later, define);
  for (const { path, text } of outputFiles) {
    const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
    write(path, path.endsWith('.map') ? text : `${text}// ${hash}\n`);
  }
  return inputs;
}

async function bundleText(file, own, later, define = {}) {
  const { metafile, outputFiles } = await build({
    ...COMMON,
    ...(own.length === 0 ? { entryPoints: [join(BUILD, file)] } : { stdin: offering(own) }),
    outdir: undefined,
    outfile: join(DIST, file),
    format: 'cjs',
    // For the stack traces of a bus; the sources are in the repository.
    sourcemap: MAPPED.some((name) => file.endsWith(name)),
    sourcesContent: false,
    define: { ...define, 'import.meta.url': 'moduleUrl', 'import.meta.dirname': '__dirname' },
    banner: { js: own.includes(DATA_PLANE) ? MODULE_URL + HOT_GLOBALS : MODULE_URL },
    supported: { 'dynamic-import': false },
    minifyWhitespace: true,
    lineLimit: 120,
    write: false,
    plugins: [
      findKoffi,
      ...(own.includes(DATA_PLANE) ? [] : [loadLater(dirname(file), own, later)]),
      lazyModules,
      dropUnused,
    ],
  });
  return { inputs: Object.keys(metafile.inputs), outputFiles };
}

function offering(modules) {
  const lines = modules.map(
    (module) => `exports['${module}'] = () => require('${join(BUILD, module)}');`,
  );
  return { contents: lines.join('\n'), resolveDir: ROOT };
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
  const { version, ...about } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const license = about.license?.type ?? about.license ?? 'see its text';
  const file = readdirSync(folder).find((one) => /^(?:licen[cs]e|copying)/i.test(one));
  const text =
    file === undefined ? `${license} licence\n` : readFileSync(join(folder, file), 'utf8');
  return `== ${name} ${version} (${license})\n\n${text.replaceAll('\r', '').trim()}\n`;
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
const inputs = await Promise.all([
  ...Object.entries(GROUPS).map(bundle),
  bundlePrograms(),
  bundlePage(),
]);
keepOwnSources();
copyDeclarations();
cpSync(join(BUILD, 'bridge/bench/page.js'), join(DIST, 'bridge/bench/page.js'));
write(join(DIST, 'LICENCES.txt'), licences(inputs.flat()));
for (const program of ['bus1-bridge', 'bus1-dbus-daemon']) {
  chmodSync(join(DIST, `bridge/cli/${program}.js`), 0o755);
}
