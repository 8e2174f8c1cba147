import { deserialize, serialize } from 'node:v8';

import type { BusLimits, PolicyRules } from '#policy/index.js';
import type { Handle } from '#core/index.js';
import type { MatchRule } from './match-rule.js';
import type { Connection, Credentials } from './connection.js';

/**
 * A change of a directory, as its replicas in other processes receive it. Connections are given by number
 * (envelope.ts). With `connection` comes a handle to its inbox, with `monitor` one to the node where copies arrive.
 */
export type DirectoryChange =
  | {
      readonly kind: 'connection';
      readonly number: number;
      /** its process in the domain; 0 is that of the registry */
      readonly process: number;
      readonly credentials: Credentials;
      readonly takesDescriptors: boolean;
      readonly isNative: boolean;
    }
  | { readonly kind: 'gone'; readonly number: number; readonly dropsRulesNaming: boolean }
  /** it has begun or ceased to own or wait for the name */
  | { readonly kind: 'joined' | 'left'; readonly number: number; readonly name: string }
  /** -1: no owner */
  | {
      readonly kind: 'owner';
      readonly name: string;
      readonly oldOwner: number;
      readonly newOwner: number;
    }
  | { readonly kind: 'subscribed' | 'unsubscribed'; readonly number: number; readonly rule: string }
  | { readonly kind: 'monitor'; readonly number: number; readonly rules: readonly string[] }
  | { readonly kind: 'policy'; readonly rules: PolicyRules; readonly limits: BusLimits };

export function encodeChange(change: DirectoryChange): Uint8Array {
  return serialize(change);
}

/** Only the registry sends changes, and it runs the same program: this type is its own. */
export function decodeChange(bytes: Uint8Array): DirectoryChange {
  return deserialize(bytes);
}

export function appearance(connection: Connection): DirectoryChange {
  const { number, process, takesDescriptors, isNative } = connection;
  /* a descriptor means nothing in another process */
  const { uid, gid, pid, groups, securityLabel, atConsole, origin } = connection.credentials;
  const plain = { uid, gid, pid, groups, securityLabel, atConsole, origin };
  const credentials = { ...plain, pidFd: undefined };
  return { kind: 'connection', number, process, credentials, takesDescriptors, isNative };
}

/** `connection` becomes a monitor. */
export function watching(connection: Connection, rules: readonly MatchRule[]): DirectoryChange {
  return { kind: 'monitor', number: connection.number, rules: rules.map(({ text }) => text) };
}

/** A change, with the registry's handle to the node that it is about. */
export interface ChangeWithHandle {
  readonly change: DirectoryChange;
  readonly handle?: Handle;
}
