import { existsSync, statSync, watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { Observable } from 'rxjs';

/**
 * Emits whenever the content of a directory may have changed, also when the directory itself comes,
 * goes or is replaced: while it does not exist, its nearest existing ancestor is watched instead.
 * Never fails; a directory that cannot be watched is merely silent.
 */
export function watchDirectory(path: string): Observable<void> {
  return new Observable((subscriber) => {
    const watcher = new PathWatcher(path, () => subscriber.next());
    watcher.attach();
    return () => watcher.close();
  });
}

class PathWatcher {
  readonly #path: string;
  readonly #onChange: () => void;
  #watcher: FSWatcher | undefined;
  #watched = '';
  #inode = 0n;
  #closed = false;

  constructor(path: string, onChange: () => void) {
    this.#path = path;
    this.#onChange = onChange;
  }

  /** Watches the directory or its nearest existing ancestor. */
  attach(): void {
    // A component may appear between the check and the watch, so check again until nothing has changed.
    for (let target = nearestExisting(this.#path); ; target = nearestExisting(this.#path)) {
      const inode = inodeOf(target);
      if (this.#closed || (target === this.#watched && inode === this.#inode)) return;
      this.#watcher?.close();
      this.#watched = target;
      this.#inode = inode;
      this.#watcher = this.#watch(target);
      if (this.#watcher === undefined) return;
    }
  }

  close(): void {
    this.#closed = true;
    this.#watcher?.close();
  }

  #watch(target: string): FSWatcher | undefined {
    try {
      const watcher = watch(target, { persistent: false }, (_event, fileName) => {
        this.#changed(target, fileName);
      });
      watcher.on('error', () => watcher.close());
      return watcher;
    } catch {
      return undefined;
    }
  }

  #changed(target: string, fileName: string | null): void {
    if (this.#closed || target !== this.#watched) return;
    const isAncestor = target !== this.#path;
    const nextComponent = relative(target, this.#path).split('/')[0];
    if (isAncestor && fileName !== null && fileName !== nextComponent && existsSync(target)) return;
    this.attach();
    if (!isAncestor || this.#watched === this.#path) this.#onChange();
  }
}

function nearestExisting(path: string): string {
  for (let candidate = path; ; candidate = dirname(candidate)) {
    if (existsSync(candidate) || candidate === dirname(candidate)) return candidate;
  }
}

/** Zero when there is nothing: no directory has this inode number. */
function inodeOf(path: string): bigint {
  return statSync(join(path, '.'), { bigint: true, throwIfNoEntry: false })?.ino ?? 0n;
}
