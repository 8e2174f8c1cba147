import type { Handle } from '#core/index.js';
import { MATCH_RULE_MAX_LENGTH, NAME_MAX_LENGTH } from '#bridge/wire/limits.js';

import { CREDENTIALS, type Connection } from './connection.js';
import { bool, i32, list, record, text, u32, variants, type ValueOf } from './field-types.js';
import type { MatchRule } from './match-rule.js';
import { BUS_LIMITS, POLICY_RULES } from './policy-fields.js';

/** -1: it has not said Hello, or there is none */
const NUMBER = i32;
const NAME = text(NAME_MAX_LENGTH);
const RULE = text(MATCH_RULE_MAX_LENGTH);

/** It has begun or ceased to own or wait for the name. */
const MEMBERSHIP = record({ number: NUMBER, name: NAME });
const SUBSCRIPTION = record({ number: NUMBER, rule: RULE });

/**
 * A change of a directory, as its replicas in other processes receive it. Connections are given by number
 * (envelope.ts). With `connection` comes a handle to its inbox, with `monitor` one to the node where copies arrive.
 */
export const DIRECTORY_CHANGE = variants({
  connection: record({
    number: NUMBER,
    /** its process in the domain; 0 is that of the registry */
    process: u32,
    credentials: CREDENTIALS,
    takesDescriptors: bool,
    isNative: bool,
  }),
  gone: record({ number: NUMBER, dropsRulesNaming: bool }),
  joined: MEMBERSHIP,
  left: MEMBERSHIP,
  owner: record({ name: NAME, oldOwner: NUMBER, newOwner: NUMBER }),
  subscribed: SUBSCRIPTION,
  unsubscribed: SUBSCRIPTION,
  monitor: record({ number: NUMBER, rules: list(RULE, 1 << 16) }),
  policy: record({ rules: POLICY_RULES, limits: BUS_LIMITS }),
});
export type DirectoryChange = ValueOf<typeof DIRECTORY_CHANGE>;
export type ChangeOf<K extends DirectoryChange['kind']> = Extract<DirectoryChange, { kind: K }>;

export function appearance(connection: Connection): DirectoryChange {
  const { number, process, credentials, takesDescriptors, isNative } = connection;
  return { kind: 'connection', number, process, credentials, takesDescriptors, isNative };
}

/** `connection` becomes a monitor. */
export function watching(connection: Connection, rules: readonly MatchRule[]): DirectoryChange {
  return { kind: 'monitor', number: connection.number, rules: rules.map(({ text: each }) => each) };
}

/** A change, with the registry's handle to the node that it is about. */
export interface ChangeWithHandle {
  readonly change: DirectoryChange;
  readonly handle?: Handle;
}
