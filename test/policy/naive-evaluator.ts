import type { Flow } from '#policy/index.js';
import type { RandomMessage, RandomPolicy, RandomRule, RuleAttributes } from './random-policies.js';

/**
 * Policy evaluated straight from dbus-daemon(1), on the attributes as written, one message at a
 * time: slow, and sharing nothing with the code under test.
 */

export interface NaiveParty {
  readonly uid: number;
  readonly gids: readonly number[];
  readonly names: readonly string[];
}

const TYPES = ['', 'method_call', 'method_return', 'error', 'signal'];

/** "Policies are applied to a connection as follows", in that order. */
function rulesFor(policies: readonly RandomPolicy[], party: NaiveParty): RandomRule[] {
  const about = (wanted: RuleAttributes): RandomRule[] =>
    policies
      .filter(({ audience }) => JSON.stringify(audience) === JSON.stringify(wanted))
      .flatMap(({ rules }) => rules);
  const gids = party.gids.toSorted((a, b) => a - b);
  return [
    ...about({ context: 'default' }),
    ...gids.flatMap((gid) => about({ group: String(gid) })),
    ...about({ user: String(party.uid) }),
    ...about({ at_console: 'false' }),
    ...about({ context: 'mandatory' }),
  ];
}

function isBelow(name: string, prefix: string): boolean {
  return name === prefix || name.startsWith(`${prefix}.`);
}

function textMatches(wanted: string | undefined, actual: string | undefined): boolean {
  return wanted === undefined || wanted === '*' || actual === undefined || actual === wanted;
}

/**
 * "Be careful with send_interface": without an interface, deny rules match and allow rules do not.
 */
function interfaceMatches(allow: boolean, wanted: string | undefined, actual?: string): boolean {
  if (wanted === undefined || wanted === '*') return true;
  return actual === undefined ? !allow : actual === wanted;
}

function peerMatches(attributes: RuleAttributes, side: string, peer: NaiveParty): boolean {
  const name = attributes[side === 'send' ? 'send_destination' : 'receive_sender'];
  const prefix = attributes['send_destination_prefix'];
  if (name !== undefined && name !== '*' && !peer.names.includes(name)) return false;
  return prefix === undefined || peer.names.some((owned) => isBelow(owned, prefix));
}

/** The paragraphs about eavesdropping and requested replies. */
function flowMatches(rule: RandomRule, side: string, flow: Flow, type: number): boolean {
  const { allow, attributes } = rule;
  const eavesdrop = attributes['eavesdrop'] === 'true';
  const eavesdropped = flow === 'eavesdropped';
  if (side === 'receive' && allow && eavesdropped && !eavesdrop) return false;
  if (side === 'receive' && !allow && !eavesdropped && eavesdrop) return false;
  if (type !== 2 && type !== 3) return true;
  const requestedReply = attributes[`${side}_requested_reply`] ?? String(allow);
  const requested = flow === 'requested-reply';
  // Not in the manual, but so it is: eavesdrop="true" lets unrequested replies through, too.
  if (allow) return requested || requestedReply === 'false' || eavesdrop;
  return !requested || requestedReply === 'true';
}

function matches(
  rule: RandomRule,
  side: string,
  peer: NaiveParty,
  flow: Flow,
  message: RandomMessage,
): boolean {
  const { attributes } = rule;
  const broadcast = attributes['send_broadcast'];
  const minFds = Number(attributes['min_fds'] ?? 0);
  const maxFds = Number(attributes['max_fds'] ?? Number.POSITIVE_INFINITY);
  return (
    textMatches(attributes[`${side}_type`], TYPES[message.type]) &&
    peerMatches(attributes, side, peer) &&
    flowMatches(rule, side, flow, message.type) &&
    (broadcast === undefined || (broadcast === 'true') === (flow === 'broadcast')) &&
    textMatches(attributes[`${side}_path`], message.path) &&
    textMatches(attributes[`${side}_member`], message.member) &&
    textMatches(attributes[`${side}_error`], message.errorName) &&
    interfaceMatches(rule.allow, attributes[`${side}_interface`], message.interface) &&
    message.fds >= minFds &&
    message.fds <= maxFds
  );
}

const SUBJECTS = ['type', 'path', 'interface', 'member', 'error', 'destination', 'sender'];

/** Not in the manual either: a rule that names none of the subjects wipes out what came before. */
function forgetsEarlier({ attributes }: RandomRule, side: string): boolean {
  const named = SUBJECTS.some((field) => (attributes[`${side}_${field}`] ?? '*') !== '*');
  return !named && attributes['send_destination_prefix'] === undefined;
}

/** Which family a rule belongs to; eavesdrop alone counts as receive. */
function sideOf({ attributes }: RandomRule): string {
  const names = Object.keys(attributes);
  if (names.some((name) => name.startsWith('own'))) return 'own';
  return names.some((name) => name.startsWith('send_')) ? 'send' : 'receive';
}

function sideAllows(
  policies: readonly RandomPolicy[],
  side: 'send' | 'receive',
  self: NaiveParty,
  peer: NaiveParty,
  flow: Flow,
  message: RandomMessage,
): boolean {
  let allowed = false;
  for (const rule of rulesFor(policies, self)) {
    if (sideOf(rule) !== side) continue;
    if (forgetsEarlier(rule, side)) allowed = false;
    if (matches(rule, side, peer, flow, message)) allowed = rule.allow;
  }
  return allowed;
}

/** Whether the sender may send the message to the receiver and the receiver may receive it. */
export function naiveAllows(
  policies: readonly RandomPolicy[],
  sender: NaiveParty,
  receiver: NaiveParty,
  flow: Flow,
  message: RandomMessage,
): boolean {
  return (
    sideAllows(policies, 'send', sender, receiver, flow, message) &&
    sideAllows(policies, 'receive', receiver, sender, flow, message)
  );
}

/** Whether the party may own a name. */
export function naiveCanOwn(
  policies: readonly RandomPolicy[],
  party: NaiveParty,
  name: string,
): boolean {
  const rule = rulesFor(policies, party).findLast(({ attributes }) => {
    const { own, own_prefix: prefix } = attributes;
    return own === '*' || own === name || (prefix !== undefined && isBelow(name, prefix));
  });
  return rule?.allow ?? false;
}
