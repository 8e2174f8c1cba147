import type { ClientOrigin } from '#policy/index.js';

import type { Credentials } from './connection.js';
import { bool, bytes, list, optional, record, text, u32, type FieldType } from './field-types.js';

/** Of a path of the file system, an address or a security label: longer than any that the kernel reports. */
const FACT = text(1 << 16);

const ORIGIN: FieldType<ClientOrigin> = record(
  {},
  {
    executables: list(FACT, 1 << 16),
    isProcessUnknown: bool,
    cgroup: FACT,
    label: FACT,
    listener: FACT,
  },
);

/** Credentials as they are sent to another process: a descriptor means nothing there. */
export const CREDENTIALS: FieldType<Omit<Credentials, 'pidFd'>> = record({
  uid: optional(u32),
  gid: optional(u32),
  pid: optional(u32),
  /* NGROUPS_MAX (limits.h), and the primary group */
  groups: optional(list(u32, (1 << 16) + 1)),
  securityLabel: optional(bytes(1 << 16)),
  atConsole: bool,
  origin: optional(ORIGIN),
});
