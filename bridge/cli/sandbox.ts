import { readFileSync } from 'node:fs';
import { versionText } from '#bridge/control/version.js';
import {
  ArgumentError,
  parseSandboxArguments,
  type SandboxArguments,
} from '#bridge/sandbox/proxy-options.js';
import { serve } from '#bridge/sandbox/serve.js';
import { busAddress } from '#bridge/wire/bus-address.js';
import { UsageError } from './usage-error.js';

/** Shows one bus or several to a sandbox, until `--fd` is closed or a signal comes. */
export async function sandbox(words: readonly string[], help: string): Promise<number> {
  const { proxies, readyFd, show } = parse(words);
  if (show !== undefined) {
    process.stdout.write(show === 'help' ? help : `bus1-bridge ${versionText()}\n`);
    return 0;
  }
  const found = proxies.map((each) => ({
    ...each,
    address: busAddress(each.address, process.env).text,
  }));
  await serve(found, readyFd);
  return 0;
}

function parse(words: readonly string[]): SandboxArguments {
  try {
    return parseSandboxArguments(words, (fd) => readFileSync(fd, 'utf8'));
  } catch (error) {
    if (error instanceof ArgumentError) throw new UsageError(error.message, 'sandbox');
    throw error;
  }
}
