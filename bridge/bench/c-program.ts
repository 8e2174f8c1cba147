import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Absent, needProgram } from './absent.js';

const run = promisify(execFile);

/** It exists only in the repository: no installed part of this package is written in C. */
const SOURCE = resolve(import.meta.dirname, '../../../test/bench/socket-pair.c');

/** Compiles socket-pair.c into `directory`; returns the program. @throws Absent */
export async function compileSocketPair(directory: string): Promise<string> {
  if (!existsSync(SOURCE)) throw new Absent(`${SOURCE} does not exist`);
  needProgram('cc');
  const program = join(directory, 'socket-pair');
  await run('cc', ['-O2', '-Wall', '-o', program, SOURCE]);
  return program;
}
