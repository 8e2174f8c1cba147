import { readFileSync, writeSync } from 'node:fs';
import { versionText } from '#bridge/control/version.js';
import { busAddress } from '#bridge/wire/bus-address.js';
import {
  ArgumentError,
  parseSandboxArguments,
  type SandboxArguments,
} from '#bridge/sandbox/proxy-options.js';
import { ProxyLoop } from '#bridge/sandbox/proxy.js';
import { UsageError } from './usage-error.js';

/** Shows one bus or several to a sandbox, until `--fd` is closed or a signal comes. */
export function sandbox(words: readonly string[], help: string): number {
  const { proxies, readyFd, show } = parse(words);
  if (show !== undefined) {
    process.stdout.write(show === 'help' ? help : `bus1-bridge ${versionText()}\n`);
    return 0;
  }
  const loop = new ProxyLoop();
  for (const options of proxies) {
    loop.listen({ ...options, address: busAddress(options.address, process.env).text });
  }
  if (readyFd !== undefined) writeSync(readyFd, 'x');
  loop.run(readyFd);
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
