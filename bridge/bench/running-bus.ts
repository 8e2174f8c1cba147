import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Child } from './child.js';

/** What callers and services meet at: a bus, two that are connected, or a path where the service listens itself. */
export interface RunningBus {
  /** the socket for callers */
  readonly path: string;
  /** the socket for services */
  readonly servicePath: string;
  /** its processes; those that they have started in turn belong to them */
  readonly children: readonly Child[];
  close(): Promise<void>;
}

/** Where a bus may put its files, and a configuration file in addition to its usual one. */
export interface Place {
  readonly directory: string;
  readonly configFile?: string | undefined;
}

/** Starts a bus. Rejects with the reason when that cannot be. */
export type StartBus = (place: Place) => Promise<RunningBus>;

/** A bus that is one program. */
export function busOf(child: Child, path: string): RunningBus {
  return { path, servicePath: path, children: [child], close: () => child.stop() };
}

/** Something to compare with is not installed: its column is left out, which is no error. */
export class Absent extends Error {}

/** @throws Absent when no such program is on PATH */
export function needProgram(name: string): void {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  if (!folders.some((folder) => isExecutable(join(folder, name)))) {
    throw new Absent(`${name} is not installed`);
  }
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
