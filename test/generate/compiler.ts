import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { ROOT, openFolder } from '../support/bus-command.js';
import { run } from '../support/process.js';

export interface Complaint {
  /** As it was given to compile(). */
  file: string;
  line: number;
  /** Such as `TS2322`. */
  code: string;
  text: string;
}

/** The part of the package that generated modules need, so that nothing else has to be compiled. */
const PACKAGE = `export type * from '${ROOT}/bridge/client/interface-description.js';
export { Variant } from '${ROOT}/bridge/wire/types.js';
`;

const OPTIONS = {
  target: 'es2022',
  module: 'nodenext',
  lib: ['es2023'],
  types: ['node'],
  typeRoots: [`${ROOT}/node_modules/@types`],
  paths: {
    rxjs: [`${ROOT}/node_modules/rxjs`],
    '#bridge/*': [`${ROOT}/bridge/*`],
  },
  strict: true,
  exactOptionalPropertyTypes: true,
  verbatimModuleSyntax: true,
  isolatedModules: true,
  erasableSyntaxOnly: true,
  noEmit: true,
  skipLibCheck: true,
};

export interface Compiled {
  folder: string;
  complaints: Complaint[];
}

/**
 * Writes files, by name, to a folder of the running test, and compiles them as users would.
 *
 * @param types what `bus1-bridge` is for them: the part that generated modules need, or a file
 */
export async function compile(
  files: Readonly<Record<string, string>>,
  types = './package.ts',
): Promise<Compiled> {
  const compilerOptions = { ...OPTIONS, paths: { ...OPTIONS.paths, 'bus1-bridge': [types] } };
  const folder = openFolder('generated-');
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const all = {
    ...files,
    'package.json': '{ "type": "module" }',
    'package.ts': PACKAGE,
    'tsconfig.json': JSON.stringify({ compilerOptions, include: ['**/*.ts'] }),
  };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const tsc = join(ROOT, 'node_modules/typescript/lib/tsc.js');
  const args = [tsc, '-p', folder, '--pretty', 'false'];
  const { code, stdout, stderr } = await run(process.execPath, args, { cwd: folder });
  const complaints = [...stdout.matchAll(/^(\S+)\((\d+),\d+\): error (TS\d+): (.*)$/gm)].map(
    ([, file, line, code, text]) => ({ file, line: Number(line), code, text }),
  );
  if (code !== 0 && complaints.length === 0) throw new Error(`tsc: ${stdout}${stderr}`);
  return { folder, complaints };
}
