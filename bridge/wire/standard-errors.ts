/** D-Bus specification, "Standard Errors"; dbus/dbus-protocol.h of the reference implementation. */
export const ErrorName = {
  Failed: 'org.freedesktop.DBus.Error.Failed',
  NoReply: 'org.freedesktop.DBus.Error.NoReply',
  Disconnected: 'org.freedesktop.DBus.Error.Disconnected',
  NoServer: 'org.freedesktop.DBus.Error.NoServer',
  AccessDenied: 'org.freedesktop.DBus.Error.AccessDenied',
  InvalidArgs: 'org.freedesktop.DBus.Error.InvalidArgs',
  LimitsExceeded: 'org.freedesktop.DBus.Error.LimitsExceeded',
  NameHasNoOwner: 'org.freedesktop.DBus.Error.NameHasNoOwner',
  ServiceUnknown: 'org.freedesktop.DBus.Error.ServiceUnknown',
  UnknownObject: 'org.freedesktop.DBus.Error.UnknownObject',
  UnknownMethod: 'org.freedesktop.DBus.Error.UnknownMethod',
  UnknownInterface: 'org.freedesktop.DBus.Error.UnknownInterface',
  UnknownProperty: 'org.freedesktop.DBus.Error.UnknownProperty',
  PropertyReadOnly: 'org.freedesktop.DBus.Error.PropertyReadOnly',
  FileNotFound: 'org.freedesktop.DBus.Error.FileNotFound',
  NotSupported: 'org.freedesktop.DBus.Error.NotSupported',
  TimedOut: 'org.freedesktop.DBus.Error.TimedOut',
  MatchRuleInvalid: 'org.freedesktop.DBus.Error.MatchRuleInvalid',
  MatchRuleNotFound: 'org.freedesktop.DBus.Error.MatchRuleNotFound',
  UnixProcessIdUnknown: 'org.freedesktop.DBus.Error.UnixProcessIdUnknown',
  AdtAuditDataUnknown: 'org.freedesktop.DBus.Error.AdtAuditDataUnknown',
  SELinuxSecurityContextUnknown: 'org.freedesktop.DBus.Error.SELinuxSecurityContextUnknown',
} as const;

/** Texts of dbus-daemon (bus/connection.c, bus/dispatch.c, bus/activation.c). Programs compare them. */
export const ErrorText = {
  noReply: 'Message recipient disconnected from message bus without replying',
  replyTimedOut: 'Message did not receive a reply (timeout by message bus)',
  serviceUnknown: (name: string) => `The name ${name} was not provided by any .service files`,
  fullQueue: 'The destination service has a full message queue',
  takesNoDescriptors:
    "Tried to send message with Unix file descriptors to a client that doesn't support that.",
  nameHasNoOwner: (name: string) => `Name "${name}" does not exist`,
} as const;
