import { ErrorText } from '#bridge/wire/standard-errors.js';

/** Why a name could not be activated: the D-Bus error that every client waiting for it receives. */
export interface ActivationFailure {
  readonly errorName: string;
  readonly message: string;
}

const ERROR = 'org.freedesktop.DBus.Error.';

/** As in dbus-daemon: a service that fails is no fault of the bus, but one that says nothing is worth a warning. */
export function logLevel({ errorName }: ActivationFailure): 'info' | 'warn' {
  return errorName === `${ERROR}TimedOut` ? 'warn' : 'info';
}

/**
 * The failures of dbus-daemon 1.14, name and text. Programs do compare them: the texts are part of
 * the interface and are kept to the letter.
 */
export const ActivationFailures = {
  serviceUnknown: (name: string) => failure('ServiceUnknown', ErrorText.serviceUnknown(name)),

  timedOut: (name: string, timeoutMs: number) =>
    failure(
      'TimedOut',
      `Failed to activate service '${name}': timed out (service_start_timeout=${timeoutMs}ms)`,
    ),

  tooManyPending: (name: string, limit: number) =>
    failure(
      'LimitsExceeded',
      `The maximum number of pending activations has been reached, activation of ${name} failed ` +
        `(max_pending_service_starts=${limit})`,
    ),

  /** The Exec line cannot be split into arguments. */
  commandLine: (fault: string) => failure('InvalidArgs', fault),

  execFailed: (name: string, errnoText: string) =>
    failure('Spawn.ExecFailed', `Failed to execute program ${name}: ${errnoText}`),

  forkFailed: (errnoText: string) => failure('Spawn.ForkFailed', `Failed to fork (${errnoText})`),

  childExited: (name: string, status: number) =>
    failure('Spawn.ChildExited', `Process ${name} exited with status ${status}`),

  childSignaled: (name: string, signal: number) =>
    failure('Spawn.ChildSignaled', `Process ${name} received signal ${signal}`),

  /** A system service whose file has no User key. The line feed is dbus-daemon's. */
  noUser: () => failure('Spawn.FileInvalid', 'Cannot do system-bus activation with no user\n'),

  /**
   * The setuid launch helper of dbus-daemon ended with this status, see dbus-daemon-launch-helper.
   */
  helperExited: (status: number) => {
    const known = HELPER_FAILURES[status];
    if (known !== undefined) return failure(known[0], known[1]);
    return failure('Spawn.ChildExited', `Launch helper exited with unknown return code ${status}`);
  },
} as const;

/** Exit statuses with which the launch helper reports what failed. */
export const HelperStatus = { SetupFailed: 4, ExecFailed: 9 } as const;

const HELPER_FAILURES: Readonly<Record<number, readonly [error: string, message: string]>> = {
  2: ['NoMemory', 'Launcher could not run (out of memory)'],
  3: ['Spawn.ConfigInvalid', 'Invalid configuration (missing or empty <user>?)'],
  4: ['Spawn.FailedToSetup', 'Failed to setup environment correctly'],
  5: ['Spawn.ServiceNotValid', 'Bus name is not valid or missing'],
  6: ['Spawn.ServiceNotFound', 'Bus name not found in system service directory'],
  7: ['Spawn.PermissionsInvalid', 'The permission of the setuid helper is not correct'],
  8: [
    'Spawn.PermissionsInvalid',
    'The service file is incorrect or does not have all required attributes',
  ],
  9: ['Spawn.ExecFailed', 'Cannot launch daemon, file not found or permissions invalid'],
  10: ['InvalidArgs', 'Invalid arguments to command line'],
  11: ['Spawn.ChildSignaled', 'Launched child was signaled, it probably crashed'],
};

function failure(name: string, message: string): ActivationFailure {
  return { errorName: ERROR + name, message };
}
