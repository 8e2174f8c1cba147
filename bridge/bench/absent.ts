import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Something that is compared with us is not installed: that column is left out, and nothing is wrong. */
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
