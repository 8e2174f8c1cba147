import { ActivationFailures, HelperStatus } from '#bridge/driver/activation-failure.js';
import type { ActivationFailure } from '#bridge/driver/activation-failure.js';
import type { Environment } from './activation-environment.js';
import { execErrnoText } from './exec-errno.js';
import { parseExecLine } from './exec-line.js';
import type { Service } from './service-file.js';

/** Which user services run as, and who changes to that user. */
export type LaunchIdentity =
  /** Services run as the bus's own user, and User is ignored, as on a session bus. */
  | { readonly kind: 'same-user' }
  /** A setuid program, called with the name, starts the service: a system bus that is not root. */
  | { readonly kind: 'helper'; readonly helper: string }
  /** The bus is root and changes the user itself. */
  | { readonly kind: 'switch-user'; readonly lookupUser: LookupUser };

export type LookupUser = (name: string) => { uid: number; gid: number } | undefined;

export interface LaunchCommand {
  /**
   * The file to execute; without a slash in it, it is taken from the current directory, as
   * execve(2) does.
   */
  readonly file: string;
  readonly argv: readonly string[];
  readonly environment: Environment;
  /** What an exit status other than 0 means. */
  readonly failureOf: (status: number) => ActivationFailure;
}

export type LaunchCommandResult =
  | { readonly command: LaunchCommand; readonly failure?: never }
  | { readonly command?: never; readonly failure: ActivationFailure };

/**
 * setpriv(1) of util-linux: gives up root with the groups of the user. Node's own `uid` and `gid`
 * options would leave the service without any supplementary group.
 */
const SETPRIV = '/usr/bin/setpriv';
/** Exit statuses of util-linux programs that could not execute their command. */
const SETPRIV_EXEC_FAILED = [126, 127];

/**
 * The launch helper keeps nothing else of the environment; neither does a bus that does the
 * helper's work.
 */
const SYSTEM_SERVICE_VARIABLES = ['DBUS_STARTER_ADDRESS', 'DBUS_STARTER_BUS_TYPE'];

/** Works out what to execute for a service; `environment` is that of the bus for services. */
export function composeLaunch(
  service: Service,
  identity: LaunchIdentity,
  environment: Environment,
): LaunchCommandResult {
  if (identity.kind === 'same-user') return directly(service, environment);
  if (service.user === undefined) return { failure: ActivationFailures.noUser() };
  return identity.kind === 'helper'
    ? throughHelper(service, identity.helper, environment)
    : asUser(service, service.user, identity.lookupUser, environment);
}

function directly(service: Service, environment: Environment): LaunchCommandResult {
  const { argv, failure } = argvOf(service);
  if (failure !== undefined) return { failure };
  const failureOf = (status: number): ActivationFailure =>
    ActivationFailures.childExited(service.name, status);
  return { command: { file: argv[0], argv, environment, failureOf } };
}

function throughHelper(
  service: Service,
  helper: string,
  environment: Environment,
): LaunchCommandResult {
  const failureOf = ActivationFailures.helperExited;
  return { command: { file: helper, argv: [helper, service.name], environment, failureOf } };
}

function asUser(
  service: Service,
  userName: string,
  lookupUser: LookupUser,
  environment: Environment,
): LaunchCommandResult {
  const { argv, failure } = argvOf(service);
  if (failure !== undefined) return { failure };
  const user = lookupUser(userName);
  if (user === undefined)
    return { failure: ActivationFailures.helperExited(HelperStatus.SetupFailed) };

  const starter = Object.entries(environment).filter(([name]) =>
    SYSTEM_SERVICE_VARIABLES.includes(name),
  );
  const identity = [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--init-groups'];
  return {
    command: {
      file: SETPRIV,
      argv: [SETPRIV, ...identity, '--', inCurrentDirectory(argv[0]), ...argv.slice(1)],
      environment: Object.fromEntries(starter),
      failureOf: (status) =>
        SETPRIV_EXEC_FAILED.includes(status)
          ? ActivationFailures.helperExited(HelperStatus.ExecFailed)
          : ActivationFailures.childExited(service.name, status),
    },
  };
}

function argvOf(
  service: Service,
):
  | { argv: readonly [file: string, ...string[]]; failure?: never }
  | { argv?: never; failure: ActivationFailure } {
  const { argv, fault } = parseExecLine(service.exec);
  if (fault !== undefined) return { failure: ActivationFailures.commandLine(fault) };
  const [file = '', ...words] = argv;
  if (file !== '') return { argv: [file, ...words] };
  return { failure: ActivationFailures.execFailed(service.name, execErrnoText('ENOENT')) };
}

/** execvp(3) searches PATH for a file without a slash; dbus-daemon's execve(2) does not. */
export function inCurrentDirectory(file: string): string {
  return file.includes('/') ? file : `./${file}`;
}
