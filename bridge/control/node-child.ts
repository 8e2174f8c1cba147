/**
 * How a Node process of the bus is started: with this program, and none of the options that this process happens to
 * have, which may open a debugger or load what the caller wanted to debug.
 */
export function nodeArguments(program: string): string[] {
  const noDebugger = '--disable-sigusr1';
  // Since Node 22.14. Before, own-runtime.ts does it, some milliseconds after the start.
  const isKnown = process.allowedNodeEnvironmentFlags.has(noDebugger);
  return isKnown ? [noDebugger, program] : [program];
}
