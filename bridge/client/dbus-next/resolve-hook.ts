// Runs in Node's loader thread: `import` of dbus-next leads to the adapter, except from the adapter itself.
import type { InitializeHook, ResolveHook } from 'node:module';
import { isReplaced } from './replaced.js';

let adapter = '';
let root = '';

export const initialize: InitializeHook<{ readonly adapter: string; readonly root: string }> = (
  data,
) => {
  ({ adapter, root } = data);
};

export const resolve: ResolveHook = (specifier, context, nextResolve) => {
  const isOwn = context.parentURL?.startsWith(root) === true;
  if (isOwn || !isReplaced(specifier)) return nextResolve(specifier, context);
  return { url: adapter, shortCircuit: true };
};
