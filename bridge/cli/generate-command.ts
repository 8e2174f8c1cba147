import { writeFileSync } from 'node:fs';

import { Command } from 'commander';
import { UsageError } from './usage-error.js';

interface GenerateOptions {
  readonly bus?: string;
  readonly output?: string;
  readonly interface?: readonly string[];
}

/** `bus1-bridge generate`: TypeScript for D-Bus interfaces. */
export function generateCommand(finish: (status: number) => void): Command {
  return new Command('generate')
    .description(
      'Writes a TypeScript module from introspection data, of files or of a live object.',
    )
    .usage('[options] FILE...\n       bus1-bridge generate [options] --bus BUS NAME PATH')
    .argument(
      '<words...>',
      'files with introspection XML; with --bus, a bus name and an object path',
    )
    .option('--bus <bus>', 'ask an object on this bus: session, system or an address')
    .option('-o, --output <file>', 'write to this file instead of the standard output')
    .option('--interface <name>', 'only this interface (may be given again)', append)
    .action(async (words: string[], options: GenerateOptions) => {
      const text = await generate(words, options);
      if (options.output === undefined) process.stdout.write(text);
      else writeFileSync(options.output, text);
      finish(0);
    });
}

function append(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

async function generate(
  words: readonly string[],
  { bus, interface: wanted }: GenerateOptions,
): Promise<string> {
  const { generateModule, readIntrospection } = await import('#bridge/client/generate/generate.js');
  if (bus === undefined) return generateModule(words.map(readIntrospection), wanted);
  const { introspectObject } = await import('#bridge/client/generate/live-introspection.js');
  const [name, path] = words;
  if (words.length !== 2) throw new UsageError('--bus takes one bus name and one object path');
  return generateModule([await introspectObject({ bus, name, path })], wanted);
}
