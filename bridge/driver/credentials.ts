import type { Connection } from '#bridge/registry/connection.js';
import { DRIVER_NAME } from '#bridge/registry/registry.js';
import { Variant } from '#bridge/wire/types.js';

import { DriverError, ErrorName } from './driver-error.js';
import { arg, type Call, type Method } from './method.js';

/** The connection that a query is about; undefined: the driver itself. */
function subject({ driver, args }: Call, what: string): Connection | undefined {
  const [name] = args as [string];
  if (name === DRIVER_NAME) return undefined;
  const owner = driver.registry.owner(name);
  if (owner === undefined) {
    throw new DriverError(
      ErrorName.NameHasNoOwner,
      `Could not get ${what} of name '${name}': no such name`,
    );
  }
  return owner;
}

function unixUser(call: Call): readonly [number] {
  const connection = subject(call, 'UID');
  const uid = connection === undefined ? call.driver.settings.uid : connection.credentials.uid;
  if (uid === undefined) {
    throw new DriverError(
      ErrorName.Failed,
      `Could not determine UID for '${call.args[0] as string}'`,
    );
  }
  return [uid];
}

function unixProcessId(call: Call): readonly [number] {
  const connection = subject(call, 'PID');
  const pid = connection === undefined ? call.driver.settings.pid : connection.credentials.pid;
  if (pid === undefined) {
    throw new DriverError(
      ErrorName.UnixProcessIdUnknown,
      `Could not determine PID for '${call.args[0] as string}'`,
    );
  }
  return [pid];
}

function connectionCredentials(call: Call): readonly [Map<string, Variant>] {
  const connection = subject(call, 'credentials');
  const { settings } = call.driver;
  const credentials = connection?.credentials ?? { uid: settings.uid, pid: settings.pid };
  const entries = new Map<string, Variant>();
  if (credentials.uid !== undefined) entries.set('UnixUserID', new Variant('u', credentials.uid));
  if (credentials.pid !== undefined) entries.set('ProcessID', new Variant('u', credentials.pid));
  if (!('groups' in credentials)) return [entries];
  const { groups, securityLabel } = credentials;
  if (groups !== undefined) entries.set('UnixGroupIDs', new Variant('au', groups));
  if (securityLabel !== undefined) {
    entries.set('LinuxSecurityLabel', new Variant('ay', new Uint8Array([...securityLabel, 0])));
  }
  return [entries];
}

export const credentialMethods: readonly Method[] = [
  {
    name: 'GetConnectionUnixUser',
    in: [arg('name', 's')],
    out: [arg('uid', 'u')],
    run: unixUser,
  },
  {
    name: 'GetConnectionUnixProcessID',
    in: [arg('name', 's')],
    out: [arg('pid', 'u')],
    run: unixProcessId,
  },
  {
    name: 'GetConnectionCredentials',
    in: [arg('name', 's')],
    out: [arg('credentials', 'a{sv}')],
    run: connectionCredentials,
  },
];
