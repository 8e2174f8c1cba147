import { BUILT_IN, loadConfiguration, logDiagnostics } from '#bridge/control/configuration.js';
import { privateAddress } from '#bridge/control/listen-unix.js';
import { createLogger } from '#bridge/control/logger.js';
import { printStarted } from '#bridge/control/print.js';
import { serve } from '#bridge/control/serve.js';
import { isReachable, whyUnreachable } from '#bridge/socket/connect.js';
import { NamePatterns } from '#bridge/uplink/name-patterns.js';
import type { ConfinedGrant, UplinkOptions } from '#bridge/uplink/uplink-options.js';
import type { Direction, Mapping } from '#mappings/index.js';
import { busAddress } from '#bridge/wire/bus-address.js';
import { logLevel, lookTimeUs } from './bus-options.js';
import { mappingsOf, readMapping } from './mapping-files.js';
import { printTarget, runWith, type RunOptions } from './run.js';
import { UsageError } from './usage-error.js';

export interface AttachOptions extends Omit<RunOptions, 'hosts'> {
  readonly bus: string;
  readonly import?: readonly string[];
  readonly export?: readonly string[];
  readonly allowConfined?: readonly string[];
}

/** Runs a bus that is attached to an existing one, until a signal comes or `command` ends. */
export async function attach(command: readonly string[], options: AttachOptions): Promise<number> {
  const printAddress = printTarget(options.printAddress);
  const level = logLevel(options.logLevel, command.length > 0 ? 'warn' : 'info');
  const logger = createLogger({ level, stderr: true, syslog: false });
  const configuration = loadConfiguration(options.config ?? BUILT_IN);
  logDiagnostics(configuration, logger);
  const uplink = uplinkOf(options);
  const bus = {
    configuration,
    addresses: [options.address ?? privateAddress(process.env)],
    writesPidFile: false,
    usesSystemd: false,
    hasDomain: true,
    lookUs: lookTimeUs(process.env),
    uplink,
    mappings: mappingsOf(options),
    logger,
  };
  const print = (address: string): void => {
    if (printAddress !== undefined) printStarted({ printAddress }, address, process.pid);
    else if (command.length === 0) process.stdout.write(`${address}\n`);
  };
  if (command.length > 0) {
    refuseUnreachable(uplink.address);
    return runWith(command, bus, print);
  }
  return serve(bus, { listening: ({ address }) => print(address) });
}

/** A bridge waits for the other bus, but a program that runs on the bridge would start without it. */
function refuseUnreachable(address: string): void {
  const reason = whyUnreachable(address);
  if (reason === undefined) return;
  const todo = 'start that bus first, or leave out the command, and the bridge waits for it';
  throw new Error(`cannot reach the bus at ${address}: ${reason}; ${todo}`);
}

function uplinkOf(options: AttachOptions): UplinkOptions {
  const { text: address, entries } = busAddress(options.bus, process.env);
  if (!entries.some(isReachable)) {
    throw new UsageError(
      `--bus ${options.bus}: a bridge can connect to unix:path=…, unix:abstract=… and tcp:…,port=…, ` +
        `not to ${address}`,
    );
  }
  const mappings = (options.mapping ?? []).map((file) => readMapping(file));
  const mapped = (direction: Direction): string[] =>
    mappings.flatMap(({ names }) =>
      names.filter((each) => each.direction === direction).map(({ pattern }) => pattern),
    );
  const imports = new NamePatterns([...(options.import ?? []), ...mapped('import')]);
  const exports = new NamePatterns([...(options.export ?? []), ...mapped('export')]);
  if (imports.isEmpty && exports.isEmpty) {
    throw new UsageError('no names would pass between the buses: give --import or --export');
  }
  return {
    address,
    imports: imports.texts,
    exports: exports.texts,
    grants: [...allowed(options.allowConfined ?? []), ...mappings.flatMap(grantsOf)],
  };
}

/** What --allow-confined takes (docs/adoption.md, "Trust"). */
const CONFINED =
  /^(?:\*|unknown|uid:(?:\*|\d+)|root:(?:\*|\/.*)|(?:flatpak|snap):(?:\*|[\w.-]+))$/u;

/** A client that the command line names may reach everything. */
function allowed(clients: readonly string[]): ConfinedGrant[] {
  return clients.map((client) => {
    if (CONFINED.test(client)) return { client, names: ['*'] };
    throw new UsageError(
      `--allow-confined takes uid:UID, flatpak:APPLICATION, snap:NAME, root:/DIRECTORY, unknown, or *, ` +
        `with * after the colon for any of that kind; not "${client}"`,
    );
  });
}

/** A client that a mapping names may reach the names in the mapping. */
function grantsOf({ uplinks, names }: Mapping): ConfinedGrant[] {
  const patterns = names.map(({ pattern }) => pattern);
  return uplinks.map(({ confinement, id }) => ({
    client: `${confinement}:${id}`,
    names: patterns,
  }));
}
