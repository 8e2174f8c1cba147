import { textOf } from '#bridge/control/startup-error.js';

/** Runs a program to its exit status; what it throws becomes one line and status 1. */
export async function runProgram(name: string, main: () => Promise<number>): Promise<void> {
  // Whoever reads what we print may have seen enough.
  process.stdout.on('error', () => {});
  try {
    process.exitCode = await main();
  } catch (error) {
    process.stderr.write(`${name}: ${textOf(error).trimEnd()}\n`);
    process.exitCode = 1;
  }
}
