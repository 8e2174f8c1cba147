import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';

/** The repository's root folder. */
export const ROOT = resolve(import.meta.dirname, '../..');

const DAEMON = 'dist/bridge/cli/bus1-dbus-daemon.js';

/**
 * The command that starts the bus under test; it takes dbus-daemon(1)'s command line.
 * BUS_UNDER_TEST replaces it (words separated by spaces): with /usr/bin/dbus-daemon the tests
 * themselves are tested.
 */
export function busCommand(): string[] {
  const command = process.env['BUS_UNDER_TEST']?.split(/\s+/).filter(Boolean) ?? [];
  if (command.length > 0) return command;
  const daemon = join(ROOT, DAEMON);
  if (!existsSync(daemon)) throw new Error(`${daemon} is missing: npm run build`);
  return [process.execPath, daemon];
}

/**
 * The same command for tests that start the bus as another user: if that user could not reach
 * the files, because the repository is in somebody's home, they are copied into `folder`.
 */
export function busCommandForEveryUser(folder: string): string[] {
  return busCommand().map((word) => {
    if (!existsSync(word) || reachableByAll(word)) return word;
    return word === join(ROOT, DAEMON) ? copyOfBus(folder) : copyOfFile(word, folder);
  });
}

function reachableByAll(path: string): boolean {
  const othersMay = statSync(path).isDirectory() ? 0o001 : 0o004;
  if ((statSync(path).mode & othersMay) === 0) return false;
  return path === '/' || reachableByAll(dirname(path));
}

function copyOfFile(path: string, folder: string): string {
  const copy = join(folder, basename(path));
  cpSync(path, copy);
  chmodSync(copy, 0o755);
  return copy;
}

function copyOfBus(folder: string): string {
  const copy = mkdtempSync(join(folder, 'bus-'));
  chmodSync(copy, 0o755);
  for (const path of ['package.json', 'dist', 'mappings', ...productionPackages()]) {
    cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  }
  return join(copy, DAEMON);
}

interface LockFile {
  packages: Record<string, { dev?: boolean }>;
}

/** Folders of the packages that the bus needs at run time and that are installed. */
function productionPackages(): string[] {
  const lock: LockFile = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  return Object.entries(lock.packages)
    .filter(([path, entry]) => path !== '' && !entry.dev && existsSync(join(ROOT, path)))
    .map(([path]) => path);
}

/** A new folder that every user can enter. */
export function openFolder(prefix: string): string {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  chmodSync(folder, 0o755);
  return folder;
}
