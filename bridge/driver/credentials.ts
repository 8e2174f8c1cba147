import type { Connection } from '#bridge/registry/connection.js';
import { DRIVER_NAME } from '#bridge/registry/directory.js';
import { Variant } from '#bridge/wire/types.js';

import { DriverError, ErrorName } from './driver-error.js';
import { arg, method, type CallWith, type Method } from './method.js';

/** The connection that a query is about; undefined: the driver itself. */
function subject({ driver, args }: CallWith<'s'>, what: string): Connection | undefined {
  const [name] = args;
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

function unixUser(call: CallWith<'s'>): readonly [number] {
  const connection = subject(call, 'UID');
  const uid = connection === undefined ? call.driver.settings.uid : connection.credentials.uid;
  if (uid === undefined) {
    throw new DriverError(ErrorName.Failed, `Could not determine UID for '${call.args[0]}'`);
  }
  return [uid];
}

function unixProcessId(call: CallWith<'s'>): readonly [number] {
  const connection = subject(call, 'PID');
  const pid = connection === undefined ? call.driver.settings.pid : connection.credentials.pid;
  if (pid === undefined) {
    throw new DriverError(
      ErrorName.UnixProcessIdUnknown,
      `Could not determine PID for '${call.args[0]}'`,
    );
  }
  return [pid];
}

function connectionCredentials(call: CallWith<'s'>): readonly [Map<string, Variant>] {
  const connection = subject(call, 'credentials');
  const { settings } = call.driver;
  const credentials = connection?.credentials ?? { uid: settings.uid, pid: settings.pid };
  const entries = new Map<string, Variant>();
  if (credentials.uid !== undefined) entries.set('UnixUserID', new Variant('u', credentials.uid));
  if (credentials.pid !== undefined) entries.set('ProcessID', new Variant('u', credentials.pid));
  if (!('groups' in credentials)) return [entries];
  const { groups, securityLabel, pidFd } = credentials;
  const index = pidFd === undefined ? undefined : attachPidFd(call, pidFd);
  if (index !== undefined) entries.set('ProcessFD', new Variant('h', index));
  if (groups !== undefined) entries.set('UnixGroupIDs', new Variant('au', groups));
  if (securityLabel !== undefined) {
    entries.set('LinuxSecurityLabel', new Variant('ay', new Uint8Array([...securityLabel, 0])));
  }
  return [entries];
}

function attachPidFd(call: CallWith<'s'>, pidFd: number): number | undefined {
  const copy = call.driver.settings.duplicateDescriptor(pidFd);
  if (copy === undefined) return undefined;
  const index = call.attachDescriptor(copy);
  if (index === undefined) call.driver.settings.closeDescriptor(copy);
  return index;
}

/** There is no Solaris audit data on Linux. */
function adtAuditSessionData(call: CallWith<'s'>): never {
  subject(call, 'audit session data');
  throw new DriverError(
    ErrorName.AdtAuditDataUnknown,
    `Could not determine audit session data for '${call.args[0]}'`,
  );
}

/** Only where SELinux made the label: an AppArmor confinement is not an SELinux context. */
function seLinuxSecurityContext(call: CallWith<'s'>): readonly [Uint8Array] {
  const connection = subject(call, 'security context');
  const label = connection?.credentials.securityLabel;
  if (label === undefined || !call.driver.settings.hasSeLinux) {
    throw new DriverError(
      ErrorName.SELinuxSecurityContextUnknown,
      `Could not determine security context for '${call.args[0]}'`,
    );
  }
  return [label];
}

export const credentialMethods: readonly Method[] = [
  method({
    name: 'GetConnectionUnixUser',
    isAboutName: true,
    in: [arg('name', 's')],
    out: [arg('uid', 'u')],
    run: unixUser,
  }),
  method({
    name: 'GetConnectionUnixProcessID',
    isAboutName: true,
    in: [arg('name', 's')],
    out: [arg('pid', 'u')],
    run: unixProcessId,
  }),
  method({
    name: 'GetAdtAuditSessionData',
    isAboutName: true,
    in: [arg('name', 's')],
    out: [arg('audit_session_data', 'ay')],
    run: adtAuditSessionData,
  }),
  method({
    name: 'GetConnectionSELinuxSecurityContext',
    isAboutName: true,
    in: [arg('name', 's')],
    out: [arg('security_context', 'ay')],
    run: seLinuxSecurityContext,
  }),
  method({
    name: 'GetConnectionCredentials',
    isAboutName: true,
    in: [arg('name', 's')],
    out: [arg('credentials', 'a{sv}')],
    run: connectionCredentials,
  }),
];
