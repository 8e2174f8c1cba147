import {
  SYSTEM_CONFIG,
  loadConfiguration,
  logDiagnostics,
  sessionConfigPath,
  type Configuration,
} from '#bridge/control/configuration.js';
import { createLogger, type LogOptions } from '#bridge/control/logger.js';
import { originalOpenFilesLimit } from '#bridge/control/open-files-limit.js';
import { printStarted } from '#bridge/control/print.js';
import { serve } from '#bridge/control/serve.js';
import { versionLine } from '#bridge/control/version.js';
import { hostCount, logLevel, lookTimeUs } from './bus-options.js';
import { DAEMON_HELP, parseDaemonArguments, type DaemonArguments } from './daemon-arguments.js';

/** bus1-dbus-daemon: a bus with dbus-daemon's command line. */
export async function main(): Promise<number> {
  const options = parseDaemonArguments(process.argv.slice(2));
  if (options.show !== undefined) return show(options.show);
  const log: LogOptions = {
    level: logLevel(options.logLevel, 'info'),
    stderr: options.log !== 'syslog',
    syslog: options.log === 'syslog' || options.log === 'both',
  };
  const configuration = loadConfiguration(configPath(options));
  const forks = options.fork ?? configuration.config.fork;
  return forks ? runBehind(options, configuration, log) : runHere(options, configuration, log);
}

function configPath({ config }: DaemonArguments): string {
  if (config?.kind === 'file') return config.path;
  return config?.kind === 'system' ? SYSTEM_CONFIG : sessionConfigPath();
}

/** <syslog/> counts unless the command line says something about logs. */
function logsToSystem(options: DaemonArguments, { config }: Configuration): boolean {
  return options.log === 'configured' ? config.syslog : options.log !== 'stderr';
}

function busOptions(options: DaemonArguments, configuration: Configuration) {
  /* from the environment, because dbus-daemon(1) has no option for it */
  const hosts = hostCount(process.env['BUS1_HOSTS'], 'BUS1_HOSTS');
  return {
    configuration,
    addresses: options.address === undefined ? undefined : [options.address],
    writesPidFile: options.pidFile,
    usesSystemd: options.systemdActivation,
    hasDomain: hosts > 1,
    hosts,
    lookUs: lookTimeUs(process.env),
  };
}

async function runHere(
  options: DaemonArguments,
  configuration: Configuration,
  log: LogOptions,
): Promise<number> {
  const logger = createLogger({ ...log, syslog: logsToSystem(options, configuration) });
  logDiagnostics(configuration, logger);
  return serve(
    { ...busOptions(options, configuration), logger },
    { listening: ({ address }) => printStarted(options, address, process.pid) },
  );
}

async function runBehind(
  options: DaemonArguments,
  configuration: Configuration,
  log: LogOptions,
): Promise<number> {
  const { daemonise } = await import('#bridge/control/daemonise.js');
  logDiagnostics(configuration, createLogger({ ...log, syslog: false }));
  const { address, pid } = await daemonise({
    ...busOptions(options, configuration),
    log: { ...log, stderr: false, syslog: logsToSystem(options, configuration) },
    keepUmask: configuration.config.keepUmask,
    openFilesLimit: originalOpenFilesLimit(process.env),
  });
  printStarted(options, address, pid);
  return 0;
}

async function show(what: NonNullable<DaemonArguments['show']>): Promise<number> {
  process.stdout.write(await TEXTS[what]());
  return 0;
}

const TEXTS = {
  version: async () => versionLine('bus1-dbus-daemon'),
  help: async () => DAEMON_HELP,
  introspect: async () => {
    const { introspect } = await import('#bridge/driver/introspectable.js');
    const { INTERFACES } = await import('#bridge/driver/interfaces.js');
    return introspect(INTERFACES, '/org/freedesktop/DBus');
  },
};
