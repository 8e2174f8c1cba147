import { parseErrorName } from '#bridge/wire/names.js';
import { ErrorName } from '#bridge/wire/standard-errors.js';
import { MessageType } from '#bridge/wire/types.js';
import type { ActivationFailure } from '#bridge/driver/activation-failure.js';
import { DRIVER_NAME, DRIVER_PATH } from '#bridge/wire/standard-names.js';

/**
 * The name under which systemd is on the bus. With systemd activation it needs no .service file.
 */
export const SYSTEMD_NAME = 'org.freedesktop.systemd1';
export const SYSTEMD_PATH = '/org/freedesktop/systemd1';
export const ACTIVATOR_INTERFACE = 'org.freedesktop.systemd1.Activator';
const MANAGER_INTERFACE = 'org.freedesktop.systemd1.Manager';

/** A message of the driver to systemd, ready to be encoded; the caller adds a serial. */
export interface SystemdMessage {
  readonly type: typeof MessageType.Signal | typeof MessageType.MethodCall;
  readonly noReplyExpected: true;
  readonly sender: typeof DRIVER_NAME;
  /** SYSTEMD_NAME, or the unique name of its owner. */
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature: 's' | 'as';
  readonly body: readonly unknown[];
}

const TO_SYSTEMD = {
  noReplyExpected: true,
  sender: DRIVER_NAME,
  destination: SYSTEMD_NAME,
} as const;

/**
 * Asks systemd to start a unit. A directed signal and not a call, because success shows itself by
 * the name appearing on the bus, and because systemd may not be there yet to be called.
 */
export function composeActivationRequest(unit: string): SystemdMessage {
  return {
    ...TO_SYSTEMD,
    type: MessageType.Signal,
    path: DRIVER_PATH,
    interface: ACTIVATOR_INTERFACE,
    member: 'ActivationRequest',
    signature: 's',
    body: [unit],
  };
}

/**
 * Passes variables set by UpdateActivationEnvironment to systemd, for services that it starts from
 * now on.
 */
export function composeSetEnvironment(
  entries: Iterable<readonly [name: string, value: string]>,
): SystemdMessage {
  const assignments = [...entries].map(([name, value]) => `${name}=${value}`);
  return composeManagerCall('SetEnvironment', assignments);
}

/** Unsets variables in the environment of systemd. */
export function composeUnsetEnvironment(names: Iterable<string>): SystemdMessage {
  return composeManagerCall('UnsetEnvironment', [...names]);
}

function composeManagerCall(member: string, strings: readonly string[]): SystemdMessage {
  return {
    ...TO_SYSTEMD,
    type: MessageType.MethodCall,
    path: SYSTEMD_PATH,
    interface: MANAGER_INTERFACE,
    member,
    signature: 'as',
    body: [strings],
  };
}

export interface UnitFailure {
  readonly unit: string;
  readonly failure: ActivationFailure;
}

/**
 * Reads an ActivationFailure signal (unit, error name, text) sent to the driver. Undefined when it
 * is malformed. The caller must check that the sender owns SYSTEMD_NAME.
 */
export function parseActivationFailure(
  signature: string,
  body: readonly unknown[],
): UnitFailure | undefined {
  const [unit, errorName, message] = body;
  if (signature !== 'sss') return undefined;
  if (typeof unit !== 'string' || typeof errorName !== 'string' || typeof message !== 'string') {
    return undefined;
  }
  const validName = parseErrorName(errorName) === undefined ? ErrorName.Failed : errorName;
  return { unit, failure: { errorName: validName, message } };
}
