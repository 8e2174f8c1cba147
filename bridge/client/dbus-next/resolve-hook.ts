// Runs in Node's loader thread: `import` of dbus-next leads to the adapter, except from the adapter itself.
// register.ts does the same for `require`.
import type { InitializeHook, ResolveHook } from 'node:module';

/** dbus-next, and its forks, which have the same name in a scope of their own. */
const REPLACED = /^(?:@[^/]+\/)?dbus-next$/;

/** Whether a program that imports this module gets the adapter. */
export function isReplaced(specifier: string): boolean {
  return REPLACED.test(specifier);
}

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
