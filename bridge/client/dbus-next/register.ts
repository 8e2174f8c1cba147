/*
 * `node --import bus1-bridge/dbus-next/register app.js`: every import of dbus-next, in this program and in the packages
 * that it uses, gets the adapter. npm's `overrides` can only lead to a package, not to a module inside one.
 */
import Module, { createRequire, register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isReplaced } from './resolve-hook.js';

const adapter = new URL('./index.js', import.meta.url);
/** Files below this folder, dist/, are this package's own: they get dbus-next itself. */
const root = new URL(import.meta.url.slice(0, import.meta.url.lastIndexOf('bridge/client/')));
const own = fileURLToPath(root);

type ResolveFilename = (
  request: string,
  parent: { filename?: string } | undefined,
  ...more: unknown[]
) => string;

/** Not in the documentation of Node, but every hook of `require` has been using it. */
type Internals = Record<'_resolveFilename', ResolveFilename>;

function isOpen(module: object): module is Internals {
  return '_resolveFilename' in module && typeof module['_resolveFilename'] === 'function';
}

const internals: object = Module;
if (!isOpen(internals)) throw new Error('this version of Node has no Module._resolveFilename');

const resolveFilename = internals['_resolveFilename'];

internals['_resolveFilename'] = function resolve(request, parent, ...more): string {
  const isOwn = parent?.filename?.startsWith(own) === true;
  if (!isOwn && isReplaced(request)) return fileURLToPath(adapter);
  return resolveFilename.call(this, request, parent, ...more);
};

register(new URL('./resolve-hook.js', import.meta.url), {
  data: { adapter: adapter.href, root: root.href },
});

// Loads the adapter before anything requires it: `require` of an ES module must not wait for its imports.
createRequire(import.meta.url)('./index.js');
