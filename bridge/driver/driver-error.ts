/** Error names that the bus itself uses (D-Bus specification; the reference daemon's dbus-protocol.h). */
export const ErrorName = {
  Failed: 'org.freedesktop.DBus.Error.Failed',
  NoReply: 'org.freedesktop.DBus.Error.NoReply',
  Disconnected: 'org.freedesktop.DBus.Error.Disconnected',
  AccessDenied: 'org.freedesktop.DBus.Error.AccessDenied',
  InvalidArgs: 'org.freedesktop.DBus.Error.InvalidArgs',
  LimitsExceeded: 'org.freedesktop.DBus.Error.LimitsExceeded',
  NameHasNoOwner: 'org.freedesktop.DBus.Error.NameHasNoOwner',
  ServiceUnknown: 'org.freedesktop.DBus.Error.ServiceUnknown',
  UnknownMethod: 'org.freedesktop.DBus.Error.UnknownMethod',
  UnknownInterface: 'org.freedesktop.DBus.Error.UnknownInterface',
  UnknownProperty: 'org.freedesktop.DBus.Error.UnknownProperty',
  PropertyReadOnly: 'org.freedesktop.DBus.Error.PropertyReadOnly',
  NotSupported: 'org.freedesktop.DBus.Error.NotSupported',
  TimedOut: 'org.freedesktop.DBus.Error.TimedOut',
  MatchRuleInvalid: 'org.freedesktop.DBus.Error.MatchRuleInvalid',
  MatchRuleNotFound: 'org.freedesktop.DBus.Error.MatchRuleNotFound',
  UnixProcessIdUnknown: 'org.freedesktop.DBus.Error.UnixProcessIdUnknown',
  AdtAuditDataUnknown: 'org.freedesktop.DBus.Error.AdtAuditDataUnknown',
  SELinuxSecurityContextUnknown: 'org.freedesktop.DBus.Error.SELinuxSecurityContextUnknown',
} as const;

/** A refusal that goes back to the caller as a D-Bus error. */
export class DriverError extends Error {
  readonly errorName: string;

  constructor(errorName: string, text: string) {
    super(text);
    this.name = 'DriverError';
    this.errorName = errorName;
  }
}
