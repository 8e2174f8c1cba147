import type { MessageHeader } from '#bridge/wire/header.js';
import { describeMessage } from '#bridge/wire/header-text.js';
import { describeRefusal, type Facet } from '#policy/facet.js';
import { ruleLocation } from '#policy/rule.js';

/** The log message of every denial. */
export const DENIED = 'message denied by policy';

/** Why the policy refuses a message: for its sender, and for the log. */
export interface Denial {
  readonly why: string;
  readonly fields: { readonly why: string; readonly message: string; readonly rule?: string };
}

/** The denial of a message that `facet` has just refused. */
export function denialOf(facet: Facet, header: MessageHeader): Denial {
  const { lastRule } = facet;
  const fields = {
    why: describeRefusal(facet),
    ...(lastRule !== undefined && { rule: ruleLocation(lastRule) }),
    message: describeMessage(header),
  };
  return { why: `Rejected send message: ${fields.why}; ${fields.message}`, fields };
}
