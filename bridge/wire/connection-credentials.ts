import { bodyOf, valueOf } from './typed-body.js';
import { MessageType, type Variant } from './types.js';
import type { DecodedMessage } from './message.js';

/** What a bus knows of the process behind a connection. */
export interface ReportedCredentials {
  readonly uid: number | undefined;
  readonly pid: number | undefined;
  readonly groups: readonly number[] | undefined;
  /** index among the descriptors of the reply */
  readonly pidFdIndex: number | undefined;
  /** without the terminating NUL */
  readonly securityLabel: Uint8Array | undefined;
}

/** Reads the reply to GetConnectionCredentials (D-Bus specification); undefined for an error, or without a reply. */
export function credentialsIn(
  reply: Pick<DecodedMessage, 'type' | 'signature' | 'body'> | undefined,
): ReportedCredentials | undefined {
  if (reply?.type !== MessageType.MethodReturn) return undefined;
  const [entries] = bodyOf(reply, 'a{sv}') ?? [];
  return entries && readCredentials(entries);
}

export function readCredentials(entries: ReadonlyMap<string, Variant>): ReportedCredentials {
  const label = valueOf(entries.get('LinuxSecurityLabel'), 'ay');
  return {
    uid: valueOf(entries.get('UnixUserID'), 'u'),
    pid: valueOf(entries.get('ProcessID'), 'u'),
    groups: valueOf(entries.get('UnixGroupIDs'), 'au'),
    pidFdIndex: valueOf(entries.get('ProcessFD'), 'h'),
    securityLabel: label?.at(-1) === 0 ? label.slice(0, -1) : label,
  };
}
