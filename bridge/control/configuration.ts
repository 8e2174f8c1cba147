import { existsSync } from 'node:fs';
import { lookupGroup, lookupUser } from '#core/linux/index.js';
import {
  formatDiagnostic,
  nodePolicyIo,
  readConfig,
  type BusConfig,
  type Diagnostic,
} from '#policy/index.js';
import { SESSION_DEFAULTS } from './session-defaults.js';
import { StartupError } from './startup-error.js';

export const SESSION_CONFIG = '/usr/share/dbus-1/session.conf';
export const SYSTEM_CONFIG = '/usr/share/dbus-1/system.conf';

/** Stands for the session bus's configuration that comes with the program. */
export const BUILT_IN = 'built-in/session.conf';

export interface Configuration {
  /** The file, to read it again; or BUILT_IN */
  readonly path: string;
  readonly config: BusConfig;
  readonly diagnostics: readonly Diagnostic[];
}

/** The distribution's file, or what comes with the program where D-Bus is not installed. */
export function sessionConfigPath(): string {
  return existsSync(SESSION_CONFIG) ? SESSION_CONFIG : BUILT_IN;
}

/** Reads a configuration; StartupError when the main file cannot be read or parsed. */
export function loadConfiguration(path: string): Configuration {
  const io = nodePolicyIo({
    lookupUser: (name) => lookupUser(name)?.uid,
    lookupGroup: (name) => lookupGroup(name)?.gid,
  });
  const readFile: typeof io.readFile = (file) =>
    file === BUILT_IN ? SESSION_DEFAULTS : io.readFile(file);
  const result = readConfig(path, { ...io, readFile });
  if (result.ok) return { path, config: result.config, diagnostics: result.diagnostics };
  const todo = 'correct the file, or name another with --config-file';
  throw new StartupError(
    'bad-configuration',
    `cannot use the configuration: ${formatDiagnostic(result.error)}; ${todo}`,
  );
}
