import { existsSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { closeFd, connectUnix } from '#core/linux/index.js';

/** Resolves when somebody listens at `path`; or when `isOver` says that nobody will. */
export async function waitForSocket(path: string, isOver = (): boolean => false): Promise<void> {
  while (!isOver() && !isListening(path)) await nextChange(path);
}

function isListening(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    closeFd(connectUnix(path));
    return true;
  } catch {
    return false;
  }
}

/** A socket file appears with bind(2), a moment before listen(2): so it is looked at again soon, too. */
function nextChange(path: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(dirname(path), (_event, file) => {
      if (file === basename(path)) done();
    });
    const timer = setTimeout(() => done(), 5);
    const done = (): void => {
      clearTimeout(timer);
      watcher.close();
      resolve();
    };
  });
}
