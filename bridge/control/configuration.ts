import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { lookupGroup, lookupUser } from '#core/linux/index.js';
import { ErrorName } from '#bridge/wire/standard-errors.js';
import {
  formatDiagnostic,
  mediationDiagnostics,
  nodePolicyIo,
  readConfig,
  type BusConfig,
  type ConfigResult,
  type Diagnostic,
} from '#policy/index.js';
import type { Logger } from './logger.js';
import { SESSION_DEFAULTS } from './session-defaults.js';
import { StartupError, type StartupErrorCode } from './startup-error.js';

export const SESSION_CONFIG = '/usr/share/dbus-1/session.conf';
export const SYSTEM_CONFIG = '/usr/share/dbus-1/system.conf';

/** Names the session bus's configuration that comes with the program. */
export const BUILT_IN = 'built-in/session.conf';

export interface Configuration {
  /** The file, to read it again; or BUILT_IN */
  readonly path: string;
  readonly config: BusConfig;
  readonly diagnostics: readonly Diagnostic[];
}

/** The distribution's file, or the built-in configuration where D-Bus is not installed. */
export function sessionConfigPath(): string {
  return existsSync(SESSION_CONFIG) ? SESSION_CONFIG : BUILT_IN;
}

/** Reads a configuration and all that it includes; errors are part of the result. */
export function readConfiguration(path: string): ConfigResult {
  const io = nodePolicyIo({
    lookupUser: (name) => lookupUser(name)?.uid,
    lookupGroup: (name) => lookupGroup(name)?.gid,
  });
  const readFile: typeof io.readFile = (each) =>
    each === BUILT_IN ? SESSION_DEFAULTS : io.readFile(each);
  return readConfig(path, { ...io, readFile });
}

/** Reads the configuration of a bus that starts; StartupError, too, when it requires what this bus does not have. */
export function loadConfiguration(file: string): Configuration {
  const configuration = reloadConfiguration(file);
  const missing = configuration.diagnostics.find(
    ({ severity, code }) => severity === 'error' && code === 'no-mediation',
  );
  if (missing === undefined) return configuration;
  throw new StartupError('bad-configuration', formatDiagnostic(missing));
}

/** Reads a configuration; StartupError when there is a mistake in the main file. */
export function reloadConfiguration(file: string): Configuration {
  // A bus in the background has another working directory when it reads the file again.
  const path = file === BUILT_IN ? file : resolve(file);
  const result = readConfiguration(path);
  if (result.ok) {
    const { config } = result;
    return { path, config, diagnostics: [...result.diagnostics, ...mediationDiagnostics(config)] };
  }
  const { error } = result;
  // A main file that cannot be read has no line to point to.
  const isMissing = error.code === 'unreadable-file' && error.file === path;
  const why = isMissing ? error.message : formatDiagnostic(error);
  const todo = 'correct the file, or name another';
  throw new StartupError(codeFor(error), `cannot use the configuration: ${why}; ${todo}`);
}

function codeFor({ errno }: Diagnostic): StartupErrorCode {
  if (errno === 'ENOENT') return 'missing-configuration';
  return errno === 'EACCES' || errno === 'EPERM' ? 'forbidden-configuration' : 'bad-configuration';
}

/** The D-Bus error for a configuration that could not be loaded, as in dbus-daemon. */
export function reloadErrorName(error: unknown): string {
  const code = error instanceof StartupError ? error.code : undefined;
  if (code === 'missing-configuration') return ErrorName.FileNotFound;
  return code === 'forbidden-configuration' ? ErrorName.AccessDenied : ErrorName.Failed;
}

/** Logs what was left out when a configuration was read, and what is probably a mistake in it. */
export function logDiagnostics({ diagnostics }: Configuration, logger: Logger): void {
  for (const diagnostic of diagnostics) {
    const level = diagnostic.severity === 'error' ? 'error' : 'warn';
    logger[level]({ code: diagnostic.code }, formatDiagnostic(diagnostic));
  }
}
