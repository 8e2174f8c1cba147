import { watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';
import { Observable, debounceTime } from 'rxjs';
import type { BusConfig } from '#policy/index.js';

/** A package manager or an editor touches a file several times before it is whole. */
const QUIET_MS = 100;

/** Files below these folders are not watched: the kernel reports no changes of them. */
const NOT_WATCHED = /^\/(?:proc|dev)\//;

/** Emits when a file of the configuration, or a *.conf in an <includedir>, has changed. */
export function configChanges({ files, directories }: BusConfig): Observable<void> {
  const changes = new Observable<void>((subscriber) => {
    const watchers = [...filtersByDirectory(files, directories)].flatMap(([directory, matches]) => {
      const watcher = watchDirectory(directory, (name) => {
        if (name === null || matches(name)) subscriber.next();
      });
      return watcher ?? [];
    });
    return () => {
      for (const watcher of watchers) watcher.close();
    };
  });
  return changes.pipe(debounceTime(QUIET_MS));
}

type NameFilter = (name: string) => boolean;

/** Directories are watched, not files: a file that is replaced has another inode. */
function filtersByDirectory(
  files: readonly string[],
  directories: readonly string[],
): Map<string, NameFilter> {
  const watched = files.filter((file) => !NOT_WATCHED.test(file));
  const places = new Set([...watched.map((file) => dirname(file)), ...directories]);
  return new Map(
    [...places].map((place) => {
      const names = new Set(
        watched.filter((file) => dirname(file) === place).map((file) => basename(file)),
      );
      const isIncluded = directories.includes(place);
      return [place, (name) => names.has(name) || (isIncluded && name.endsWith('.conf'))];
    }),
  );
}

function watchDirectory(
  directory: string,
  onChange: (name: string | null) => void,
): FSWatcher | undefined {
  try {
    const watcher = watch(directory, { persistent: false }, (_event, name) => onChange(name));
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    // Many configurations name directories that do not exist; SIGHUP finds them when they do.
    return undefined;
  }
}
