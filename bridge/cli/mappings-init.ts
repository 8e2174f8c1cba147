import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectories } from '#bridge/control/make-directory.js';
import { textOfUnforeseen } from '#bridge/control/file-text.js';
import { errnoOf } from '#bridge/control/startup-error.js';
import { OldBus } from './mappings-bus.js';
import { draftMapping } from './mappings-draft.js';
import { survey } from './mappings-survey.js';

export interface InitOptions {
  /** `session`, `system` or an address. */
  readonly bus: string;
  /** Directory for the files; absent: they are printed. */
  readonly output?: string;
  /** Starts the services that can be started, instead of reading only those that run. */
  readonly all?: true;
}

/** Writes a mapping for each name. The status is 1 if there is a name for which it could not. */
export async function initMappings(
  names: readonly string[],
  { bus: which, output, all }: InitOptions,
): Promise<number> {
  if (output !== undefined) makeDirectories(output);
  const bus = await OldBus.connect(which);
  let status = 0;
  try {
    let separator = '';
    for (const name of names.length > 0 ? names : await bus.names(all === true)) {
      try {
        const seen = await survey(bus, name);
        for (const failure of seen.failures) warn(failure);
        const text = draftMapping(seen, which === 'system' ? 'system' : 'session');
        if (output === undefined) process.stdout.write(separator + text);
        else writeNew(join(output, `${name}.yaml`), text);
        separator = '---\n';
      } catch (error) {
        warn(textOfUnforeseen(error).trimEnd());
        status = 1;
      }
    }
  } finally {
    bus.close();
  }
  return status;
}

/** Refuses to overwrite: the existing file may contain edits. */
function writeNew(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'wx' });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    throw new Error(`${path} exists, and is left as it is`, { cause: error });
  }
  process.stdout.write(`${path}\n`);
}

function warn(message: string): void {
  process.stderr.write(`bus1-bridge: ${message}\n`);
}
