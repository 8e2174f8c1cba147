#!/usr/bin/env node
import { Bus } from '#bridge/control/bus.js';
import { SYSTEM_CONFIG, loadConfiguration, sessionConfigPath } from '#bridge/control/configuration.js';
import { createLogger } from '#bridge/control/logger.js';
import { printTo } from '#bridge/control/print.js';
import { parseDaemonArguments, type DaemonArguments } from './daemon-arguments.js';

function configPath({ config }: DaemonArguments): string {
  if (config?.kind === 'file') return config.path;
  return config?.kind === 'system' ? SYSTEM_CONFIG : sessionConfigPath();
}

async function main(): Promise<number> {
  const options = parseDaemonArguments(process.argv.slice(2));
  const configuration = loadConfiguration(configPath(options));
  const bus = new Bus({
    configuration,
    ...(options.address !== undefined && { addresses: [options.address] }),
    writesPidFile: options.pidFile,
    logger: createLogger('info'),
  });
  process.on('SIGTERM', () => bus.stop());
  process.on('SIGINT', () => bus.stop());
  process.on('SIGHUP', () => bus.reload('SIGHUP'));
  await bus.serve();
  if (options.printAddress !== undefined) printTo(options.printAddress, bus.address);
  if (options.printPid !== undefined) printTo(options.printPid, String(process.pid));
  return (await bus.ended) === undefined ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`bus1-dbus-daemon: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
