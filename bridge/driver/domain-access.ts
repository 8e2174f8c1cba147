import type { Credentials } from '#bridge/registry/connection.js';

/** What the driver asks about other processes of its domain. */
export interface DomainAccess {
  /** whether it is a host of this bus */
  isTrusted(process: number): boolean;
  /** the process's credentials, from the kernel; undefined when it is gone */
  credentialsOf(process: number): Credentials | undefined;
  /** why the policy does not allow it to connect; undefined: it may */
  refusal(credentials: Credentials): string | undefined;
  /** whether a role limits what it sees of the bus */
  isConfined(credentials: Credentials): boolean;
}
