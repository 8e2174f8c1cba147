import { constants } from 'node:os';
import type { BusOptions } from '#bridge/control/running-bus.js';
import { Companion, STATUS_SIGNAL } from '#bridge/control/companion.js';
import { BUILT_IN, loadConfiguration, logDiagnostics } from '#bridge/control/configuration.js';
import { privateAddress } from '#bridge/control/listen-unix.js';
import { createLogger } from '#bridge/control/logger.js';
import { printStarted } from '#bridge/control/print.js';
import { serve } from '#bridge/control/serve.js';
import { descriptorOf } from './daemon-arguments.js';
import { hostCount, logLevel, lookTimeUs } from './bus-options.js';
import { mappingsOf, type MappingOptions } from './mapping-files.js';
import { UsageError } from './usage-error.js';

export interface RunOptions extends MappingOptions {
  readonly config?: string;
  readonly address?: string;
  /** A descriptor; true: standard output */
  readonly printAddress?: string | true;
  readonly logLevel?: string;
  /** How many processes carry connections. */
  readonly hosts?: string;
}

/** Runs a bus until a signal comes, or until `command` ends. Resolves with the exit status. */
export async function run(command: readonly string[], options: RunOptions): Promise<number> {
  const printAddress = printTarget(options.printAddress);
  // A command has the terminal for itself, unless something is wrong.
  const level = logLevel(options.logLevel, command.length > 0 ? 'warn' : 'info');
  const logger = createLogger({ level, stderr: true, syslog: false });
  const configuration = loadConfiguration(options.config ?? BUILT_IN);
  logDiagnostics(configuration, logger);
  const bus = {
    configuration,
    addresses: addressesOf(options, configuration.config.listen),
    writesPidFile: false,
    usesSystemd: false,
    hasDomain: true,
    hosts: hostCount(options.hosts, '--hosts'),
    lookUs: lookTimeUs(process.env),
    mappings: mappingsOf(options),
    logger,
  };
  const print = (address: string): void => {
    if (printAddress !== undefined) printStarted({ printAddress }, address, process.pid);
    else if (command.length === 0) process.stdout.write(greeting(address));
  };
  if (command.length > 0) return runWith(command, bus, print);
  return serve(bus, { listening: ({ address }) => print(address) });
}

/** Runs a bus for as long as `command` runs on it. */
export async function runWith(
  command: readonly string[],
  options: BusOptions,
  print: (address: string) => void,
): Promise<number> {
  if (command[0] === '') throw new UsageError('the name of the command is empty');
  let companion: Companion | undefined;
  let stoppedBy: NodeJS.Signals | undefined;
  const status = await serve(options, {
    listening: (bus) => {
      print(bus.address);
      companion = new Companion(command, bus);
      void companion.ended.then(() => bus.stop());
      // A bus that fails ends the program, which would wait for replies for ever.
      void bus.ended.then(() => companion?.signal('SIGTERM'));
    },
    interrupted: (signal) => {
      companion?.signal(signal);
      // Before there is a command to end: it will not be started.
      if (companion === undefined) stoppedBy ??= signal;
      return companion !== undefined;
    },
  });
  if (stoppedBy !== undefined) return STATUS_SIGNAL + constants.signals[stoppedBy];
  return status === 0 && companion !== undefined ? companion.ended : status;
}

function addressesOf(options: RunOptions, listen: readonly string[]): readonly string[] {
  if (options.address !== undefined) return [options.address];
  return options.config !== undefined && listen.length > 0 ? listen : [privateAddress(process.env)];
}

/** The descriptor that --print-address names. */
export function printTarget(option: string | true | undefined): number | undefined {
  if (option === undefined) return undefined;
  return descriptorOf('--print-address', option === true ? undefined : option);
}

function greeting(address: string): string {
  const call =
    '--session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames';
  return `${address}

Try it in another terminal:
  DBUS_SESSION_BUS_ADDRESS='${address}' dbus-send ${call}
`;
}
