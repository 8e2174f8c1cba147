import { leadingInteger } from './integer.js';

/** Limits of a bus under the names of dbus-daemon(1), with our field names and their defaults. */
export interface BusLimits {
  maxIncomingBytes: number;
  maxIncomingUnixFds: number;
  maxOutgoingBytes: number;
  maxOutgoingUnixFds: number;
  maxMessageBytes: number;
  maxMessageUnixFds: number;
  serviceStartTimeoutMs: number;
  authTimeoutMs: number;
  pendingFdTimeoutMs: number;
  /** -1: a call may wait for its reply for ever. */
  replyTimeoutMs: number;
  maxCompletedConnections: number;
  maxIncompleteConnections: number;
  maxConnectionsPerUser: number;
  maxPendingServiceStarts: number;
  maxNamesPerConnection: number;
  maxMatchRulesPerConnection: number;
  maxRepliesPerConnection: number;
  maxContainers: number;
  maxContainersPerUser: number;
  maxContainerMetadataBytes: number;
  maxConnectionsPerContainer: number;
}

const MIB = 1024 * 1024;

/** What dbus-daemon 1.14 uses where the configuration says nothing. */
export const DEFAULT_LIMITS: Readonly<BusLimits> = {
  maxIncomingBytes: 127 * MIB,
  maxIncomingUnixFds: 64,
  maxOutgoingBytes: 127 * MIB,
  maxOutgoingUnixFds: 64,
  maxMessageBytes: 32 * MIB,
  maxMessageUnixFds: 16,
  serviceStartTimeoutMs: 25_000,
  authTimeoutMs: 30_000,
  pendingFdTimeoutMs: 150_000,
  replyTimeoutMs: -1,
  maxCompletedConnections: 2048,
  maxIncompleteConnections: 64,
  maxConnectionsPerUser: 256,
  maxPendingServiceStarts: 512,
  maxNamesPerConnection: 512,
  maxMatchRulesPerConnection: 512,
  maxRepliesPerConnection: 128,
  maxContainers: 512,
  maxContainersPerUser: 16,
  maxContainerMetadataBytes: 4096,
  maxConnectionsPerContainer: 8,
};

/** dbus-daemon's name of each limit. */
export const LIMIT_NAMES: Readonly<Record<string, keyof BusLimits>> = {
  max_incoming_bytes: 'maxIncomingBytes',
  max_incoming_unix_fds: 'maxIncomingUnixFds',
  max_outgoing_bytes: 'maxOutgoingBytes',
  max_outgoing_unix_fds: 'maxOutgoingUnixFds',
  max_message_size: 'maxMessageBytes',
  max_message_unix_fds: 'maxMessageUnixFds',
  service_start_timeout: 'serviceStartTimeoutMs',
  auth_timeout: 'authTimeoutMs',
  pending_fd_timeout: 'pendingFdTimeoutMs',
  reply_timeout: 'replyTimeoutMs',
  max_completed_connections: 'maxCompletedConnections',
  max_incomplete_connections: 'maxIncompleteConnections',
  max_connections_per_user: 'maxConnectionsPerUser',
  max_pending_service_starts: 'maxPendingServiceStarts',
  max_names_per_connection: 'maxNamesPerConnection',
  max_match_rules_per_connection: 'maxMatchRulesPerConnection',
  max_replies_per_connection: 'maxRepliesPerConnection',
  max_containers: 'maxContainers',
  max_containers_per_user: 'maxContainersPerUser',
  max_container_metadata_bytes: 'maxContainerMetadataBytes',
  max_connections_per_container: 'maxConnectionsPerContainer',
};

/** Timeouts and counts are C ints in dbus-daemon, byte and descriptor totals are longs. */
const LONG_LIMITS = /_bytes$|_unix_fds$|^max_message_size$/;
const INT_MAX = 2 ** 31 - 1;

/** The value of a <limit>; `oddly`: a remark on how its text was read, unless that is obvious. */
export interface LimitReading {
  readonly key: keyof BusLimits;
  readonly value: number;
  readonly oddly?: string | undefined;
}

/** Reads one <limit>; returns a string, the reason, if it is not valid. */
export function parseLimit(name: string, text: string): LimitReading | string {
  const key = Object.hasOwn(LIMIT_NAMES, name) ? LIMIT_NAMES[name] : undefined;
  if (key === undefined) return `there is no limit called "${name}"`;
  const { value, rest } = leadingInteger(text) ?? { value: -1, rest: '' };
  if (value < 0) return `limit "${name}" must be a whole number, 0 or more, not "${text.trim()}"`;
  const max = LONG_LIMITS.test(name) ? Number.MAX_SAFE_INTEGER : INT_MAX;
  if (value > max) return `limit "${name}" is ${value}; the maximum is ${max}`;
  const oddly = rest === '' ? undefined : `limit "${name}" is "${text.trim()}", read as ${value}`;
  return { key, value, oddly };
}
