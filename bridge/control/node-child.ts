/** The channel to the parent in a child with stdio `[…, 'ipc']`: the first descriptor after the standard streams. */
export const CHANNEL_FD = 3;

/**
 * The arguments for a Node process of the bus: this program, and none of the options of the present process, which may
 * open a debugger or load what the caller wanted to debug.
 */
export function nodeArguments(program: string): string[] {
  const noDebugger = '--disable-sigusr1';
  // Since Node 22.14. Before, own-runtime.ts does it, some milliseconds after the start.
  const isKnown = process.allowedNodeEnvironmentFlags.has(noDebugger);
  return isKnown ? [noDebugger, program] : [program];
}
