import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import * as vitest from 'vitest';
import { isExecutable } from '#bridge/bench/running-bus.js';

/** Software that a test drives and that may be absent. */
export interface Software {
  title: string;
  debianPackage: string;
  present: boolean;
}

export const PYTHON = '/usr/bin/python3';

/** A program, by name or absolute path, and the Debian package that has it. */
export function needs(program: string, debianPackage: string): Software {
  const folders = isAbsolute(program) ? ['/'] : (process.env['PATH'] ?? '').split(delimiter);
  const present = folders.some((folder) => isExecutable(join(folder, program)));
  return { title: program, debianPackage, present };
}

/** A file that no program is, and the Debian package that has it. */
export function needsFile(path: string, debianPackage: string): Software {
  return { title: path, debianPackage, present: existsSync(path) };
}

/** A module of Debian's Python. */
export function needsPythonModule(module: string, debianPackage: string): Software {
  const found = spawnSync(PYTHON, ['-c', `import ${module}`], { stdio: 'ignore' });
  return { title: `python3 module ${module}`, debianPackage, present: found.status === 0 };
}

/**
 * describe() for tests that need software which is not ours. If some of it is absent, one test
 * says which Debian packages to install: skipped on a developer's machine, failed if CI=true.
 */
export function describeWith(software: readonly Software[], name: string, body: () => void): void {
  const absent = software.filter((one) => !one.present);
  if (absent.length === 0) {
    vitest.describe(name, body);
    return;
  }
  const titles = absent.map((one) => one.title).join(', ');
  const packages = [...new Set(absent.map((one) => one.debianPackage))].join(' ');
  const message = `${titles} absent: apt-get install ${packages}`;
  vitest.describe(name, () => {
    vitest.test(message, (context) => {
      if (process.env['CI'] === 'true') throw new Error(message);
      skipBecause(context, message);
    });
  });
}

/** Ends the running test as skipped, with a reason that the report shows. */
export function skipBecause(context: vitest.TestContext, reason: string): never {
  context.skip(reason);
}

/** What GObject introspection knows of a library (g-ir-compiler(1)), and the Debian package that has it. */
export function needsTypelib(namespace: string, debianPackage: string): Software {
  const [name, version] = namespace.split('-');
  const script = `import gi; gi.require_version('${name}', '${version}')`;
  const found = spawnSync(PYTHON, ['-c', script], { stdio: 'ignore' });
  return { title: `${namespace}.typelib`, debianPackage, present: found.status === 0 };
}
