import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './bus-command.js';
import { type Environment, type Program, run, start } from './process.js';
import { PYTHON } from './software.js';

const FOLDER = join(ROOT, 'test/interop/python');

/** What the clients of test/interop/python check, and what they check of services that pass descriptors. */
export const CHECKS = [
  'every basic type survives an echo',
  'containers survive an echo',
  'arguments and a result have the types of the interface',
  'an error has its name and its text',
  'an unknown method is an error',
  'a signal reaches its subscriber',
  'properties are read, listed, set, and announced',
  'a read-only property cannot be set',
  'introspection describes the interface',
  'eight MiB go there and back',
  'a hundred calls are outstanding at once',
];
export const WITH_DESCRIPTORS = [
  ...CHECKS,
  'a descriptor goes to the service',
  'a descriptor comes from the service',
];

/** Runs a program of test/interop/python to its end; throws unless it exits with 0. */
async function runPython(script: string, args: readonly string[], env: Environment) {
  const result = await run(PYTHON, [join(FOLDER, script), ...args], { env });
  if (result.code !== 0) throw new Error(`${script}: ${result.signal}\n${result.stderr}`);
  return result;
}

/** Starts a service of test/interop/python and waits until it owns its name. */
export async function startPythonService(
  script: string,
  name: string,
  env: Environment,
): Promise<Program> {
  const program = start(PYTHON, [join(FOLDER, script), name], { env });
  await program.waitForLine(/^ready$/);
  return program;
}

/**
 * Registers a test for each check of a Python program (see python/checks.py), which runs once.
 * `titles` says what it must report; what it does not report has failed.
 */
export function testPythonChecks(
  titles: readonly string[],
  script: string,
  args: readonly string[],
  env: () => Environment,
): void {
  let report: ReturnType<typeof runPython> | undefined;
  test.each(titles)('%s', async (title) => {
    report ??= runPython(script, args, env());
    const { stdout } = await report;
    const lines = stdout.split('\n');
    const line = lines.find((one) => one.replace(/^not /, '').startsWith(`ok ${title}`));
    expect(line).toBe(`ok ${title}`);
  });
}
