import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Something to compare with is not installed: its column is left out, which is no error. */
export class Absent extends Error {}

/** @throws Absent when no such program is on PATH */
export function needProgram(name: string): void {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  if (!folders.some((folder) => isExecutable(join(folder, name)))) {
    throw new Absent(`${name} is not installed`);
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
