import { closest } from '#mappings/closest.js';
import { UsageError } from './usage-error.js';

export type ConfigChoice =
  | { readonly kind: 'session' | 'system' }
  | { readonly kind: 'file'; readonly path: string };

/** dbus-daemon(1)'s command line. */
export interface DaemonArguments {
  /** Undefined only with `show`. */
  readonly config?: ConfigChoice;
  readonly address?: string;
  /** Descriptors to print to. */
  readonly printAddress?: number;
  readonly printPid?: number;
  /** Undefined: as the configuration says. */
  readonly fork?: boolean;
  readonly pidFile: boolean;
  readonly logLevel?: string;
  readonly log: 'configured' | 'stderr' | 'syslog' | 'both';
  readonly systemdActivation: boolean;
  readonly show?: 'version' | 'help' | 'introspect';
}

type Mutable = { -readonly [Key in keyof DaemonArguments]: DaemonArguments[Key] };

const STDOUT = 1;

/** Options that take no value. */
const FLAGS = new Map<string, (result: Mutable) => void>([
  ['--session', (result) => setConfig(result, { kind: 'session' })],
  ['--system', (result) => setConfig(result, { kind: 'system' })],
  ['--fork', (result) => setFork(result, true)],
  ['--nofork', (result) => setFork(result, false)],
  ['--nopidfile', (result) => (result.pidFile = false)],
  ['--syslog', (result) => (result.log = 'both')],
  ['--nosyslog', (result) => (result.log = 'stderr')],
  ['--syslog-only', (result) => (result.log = 'syslog')],
  ['--systemd-activation', (result) => (result.systemdActivation = true)],
  ['--introspect', (result) => (result.show ??= 'introspect')],
  ['--version', (result) => (result.show ??= 'version')],
  ['--help', (result) => (result.show ??= 'help')],
]);

/** Options with a value, after `=` or as the next word. */
const VALUES = new Map<string, (result: Mutable, value: string) => void>([
  ['--config-file', (result, path) => setConfig(result, { kind: 'file', path })],
  ['--address', setAddress],
  ['--log-level', (result, level) => (result.logLevel = level)],
]);

/** Options whose value is a descriptor and may be left out. */
const DESCRIPTORS = new Map<string, 'printAddress' | 'printPid'>([
  ['--print-address', 'printAddress'],
  ['--print-pid', 'printPid'],
]);

/** Reads the words behind the program's name. Throws UsageError. */
export function parseDaemonArguments(words: readonly string[]): DaemonArguments {
  const result: Mutable = { pidFile: true, log: 'configured', systemdActivation: false };
  const rest = [...words];
  /* an empty address or descriptor counts as not given, as in the reference daemon */
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const [, name = word, value] = /^(--[^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    const [next] = rest;
    const setValue = VALUES.get(name);
    const printed = DESCRIPTORS.get(name);
    const setFlag = value === undefined ? FLAGS.get(name) : undefined;
    if (setValue !== undefined) {
      const given = value ?? rest.shift();
      if (name !== '--address' || given !== '') setValue(result, valueOf(name, given));
    } else if (printed !== undefined) {
      const digits = value ?? (next !== undefined && /^\d+$/.test(next) ? rest.shift() : undefined);
      result[printed] = descriptorOf(name, digits);
    } else if (setFlag !== undefined) {
      setFlag(result);
    } else {
      throw new UsageError(`there is no option "${word}"${suggestion(name)}`);
    }
  }
  if (result.show === undefined && result.config === undefined) {
    throw new UsageError('no configuration: give --session, --system or --config-file=FILE');
  }
  return result;
}

function suggestion(name: string): string {
  const known = [FLAGS, VALUES, DESCRIPTORS].flatMap((options) => [...options.keys()]);
  const meant = closest(name, known);
  return meant === undefined || meant === name ? '' : `; did you mean ${meant}?`;
}

function valueOf(name: string, value: string | undefined): string {
  if (value === undefined || value === '') throw new UsageError(`${name} needs a value`);
  return value;
}

export function descriptorOf(name: string, digits: string | undefined): number {
  if (digits === undefined || digits === '') return STDOUT;
  if (/^\d{1,9}$/.test(digits)) return Number(digits);
  throw new UsageError(`${name} takes a file descriptor number, not "${digits}"`);
}

function setAddress(result: Mutable, address: string): void {
  if (result.address !== undefined) throw new UsageError('give only one --address');
  result.address = address;
}

function setConfig(result: Mutable, config: ConfigChoice): void {
  if (result.config !== undefined) {
    throw new UsageError('give only one of --session, --system and --config-file');
  }
  result.config = config;
}

/** The last one counts. */
function setFork(result: Mutable, fork: boolean): void {
  result.fork = fork;
}

export const DAEMON_HELP = `Usage: bus1-dbus-daemon (--session | --system | --config-file=FILE) [OPTION...]

A D-Bus message bus with the command line of dbus-daemon(1).

  --session               use the configuration of the session bus
  --system                use the configuration of the system bus
  --config-file=FILE      use FILE: busconfig XML, or policy YAML
  --address=ADDRESS       listen there instead of at the <listen> addresses
  --print-address[=FD]    print the address, to standard output or descriptor FD
  --print-pid[=FD]        print the process ID
  --fork, --nofork        run in the background or not, whatever the configuration says
  --nopidfile             write no pid file
  --syslog                log to the system log, too
  --syslog-only           log to the system log, not to standard error
  --nosyslog              log to standard error only
  --log-level=LEVEL       trace, debug, info, notice, warn, error, fatal or silent (or set BUS1_LOG)
  --systemd-activation    let systemd start services that name a unit
  --introspect            print the introspection data of the bus itself
  --version, --help

SIGHUP reloads the configuration; SIGTERM stops the bus.
`;
