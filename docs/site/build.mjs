// `npm run docs`: a static site of docs/, the README, the examples and the public docstrings, in build/docs/out.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { Application } from 'typedoc';
import { build } from 'vitepress';

const ROOT = join(import.meta.dirname, '../..');
const SITE = join(ROOT, 'build/docs');
const SOURCE = join(SITE, 'source');

/** What lies beside docs/, by its name on the site. */
const OTHERS = {
  'README.md': 'readme',
  'CHANGELOG.md': 'changelog',
  'CONTRIBUTING.md': 'contributing',
};

/** The entries of the package, by the name that programs import. */
const ENTRIES = {
  'bus1-bridge': 'bridge/client/index',
  'bus1-bridge/testing': 'bridge/testing/index',
  'bus1-bridge/dbus-next': 'bridge/client/dbus-next/index',
  'bus1-bridge/core': 'bus1-core/index',
  'bus1-bridge/shared': 'bus1-core/shared/index',
};

const pages = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.md') && !path.startsWith('site/'))
  .map((path) => [`docs/${path}`, path]);

/** By the path in the repository, the path on the site. */
const placed = new Map([
  ...pages,
  ...Object.entries(OTHERS).map(([path, name]) => [path, `${name}.md`]),
  ['docs/decisions', 'decisions/index.md'],
]);

/** Links between files of the repository become links between pages; what is no page loses its link. */
function onSite(text, path) {
  const target = (link) => {
    const [file, section] = link.split('#');
    if (/^[a-z]+:/.test(link) || file === '') return link;
    const page = placed.get(join(dirname(path), file).replace(/\/$/, ''));
    if (page === undefined) return undefined;
    const to = relative(dirname(placed.get(path)), page);
    return `${to.startsWith('.') ? to : `./${to}`}${section === undefined ? '' : `#${section}`}`;
  };
  return text.replace(/\[([^\]]+)\]\(([^)\s]+)\)/g, (_whole, words, link) => {
    const found = target(link);
    return found === undefined ? words : `[${words}](${found})`;
  });
}

function write(name, text) {
  const file = join(SOURCE, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

function examples() {
  const sections = readdirSync(join(ROOT, 'examples')).map((name) => {
    const code = readFileSync(join(ROOT, 'examples', name), 'utf8');
    return `## ${name}\n\n\`\`\`js\n${code}\`\`\`\n`;
  });
  return `# Examples\n\nThey are in \`examples/\`, and tests run them.\n\n${sections.join('\n')}`;
}

function decisions() {
  const titles = pages
    .filter(([path]) => path.startsWith('docs/decisions/'))
    .map(([path, name]) => {
      const [heading] = readFileSync(join(ROOT, path), 'utf8').split('\n');
      return `- [${heading.replace(/^# /, '')}](./${name.replace('decisions/', '')})`;
    });
  return `# Decisions\n\nChoices that somebody will ask about.\n\n${titles.join('\n')}\n`;
}

/** The public docstrings, from the declarations that are published. */
async function reference() {
  const out = join(SOURCE, 'reference');
  const app = await Application.bootstrapWithPlugins({
    entryPoints: Object.values(ENTRIES).map((path) => join(ROOT, 'dist', `${path}.d.ts`)),
    tsconfig: join(ROOT, 'docs/site/tsconfig.json'),
    plugin: ['typedoc-plugin-markdown'],
    /* its default is docs/, which it would empty */
    out,
    outputs: [{ name: 'markdown', path: out }],
    cleanOutputDir: false,
    readme: 'none',
    router: 'module',
    entryFileName: 'index',
    useHTMLAnchors: true,
    hideBreadcrumbs: true,
    hidePageHeader: true,
    excludeExternals: true,
    excludePrivate: true,
    sanitizeComments: true,
    disableSources: true,
    parametersFormat: 'table',
    enumMembersFormat: 'table',
    propertyMembersFormat: 'table',
    logLevel: 'Warn',
  });
  const project = await app.convert();
  if (project === undefined)
    throw new Error('the declarations in dist/ cannot be read: npm run build');
  const byFile = new Map(Object.entries(ENTRIES).map(([name, file]) => [file, name]));
  for (const module of project.children ?? []) {
    const name = byFile.get(module.name) ?? byFile.get(`${module.name}/index`);
    if (name !== undefined) module.name = name;
  }
  app.validate(project);
  await app.generateOutputs(project);
}

rmSync(SITE, { recursive: true, force: true });
for (const [path, name] of placed) {
  if (path.endsWith('.md')) write(name, onSite(readFileSync(join(ROOT, path), 'utf8'), path));
}
write('decisions/index.md', decisions());
write('examples.md', examples());
write('index.md', readFileSync(join(ROOT, 'docs/site/index.md'), 'utf8'));
cpSync(join(ROOT, 'docs/site/config.mjs'), join(SOURCE, '.vitepress/config.mjs'));
await reference();
await build(SOURCE);
process.stdout.write(`${join(SITE, 'out/index.html')}\n`);
