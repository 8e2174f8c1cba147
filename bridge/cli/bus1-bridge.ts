#!/usr/bin/env node
import { Bus } from '#bridge/control/bus.js';
import { BUILT_IN, loadConfiguration } from '#bridge/control/configuration.js';
import { createLogger } from '#bridge/control/logger.js';
import { privateAddress } from '#bridge/control/listen-unix.js';
import { formatAddress } from '#bridge/wire/address.js';

const bus = new Bus({
  configuration: loadConfiguration(BUILT_IN),
  addresses: [formatAddress(privateAddress(process.env))],
  writesPidFile: false,
  logger: createLogger('info'),
});
process.on('SIGTERM', () => bus.stop());
process.on('SIGINT', () => bus.stop());
await bus.serve();
process.stdout.write(`${bus.address}\n`);
process.exitCode = (await bus.ended) === undefined ? 0 : 1;
