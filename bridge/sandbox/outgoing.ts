import type { MessageHeader } from '#bridge/wire/header.js';
import { headerText } from '#bridge/wire/header-text.js';
import { decodeBody } from '#bridge/wire/unmarshal.js';
import { MessageFlag } from '#bridge/wire/types.js';
import { Access } from './name-rules.js';
import type { VisibleNames } from './visible-names.js';

export const BUS = 'org.freedesktop.DBus';

const ERROR = `${BUS}.Error`;

/** What becomes of a call or a signal of the client. */
export type Verdict =
  | { readonly kind: 'pass' }
  /** the answer is a list of names, reduced to those that the client may see */
  | { readonly kind: 'pass-names' }
  | { readonly kind: 'error'; readonly name: string; readonly isHidden: boolean }
  /** NameHasOwner of a name that does not exist for the client */
  | { readonly kind: 'false' };

const PASS: Verdict = { kind: 'pass' };
const DENIED: Verdict = { kind: 'error', name: `${ERROR}.AccessDenied`, isHidden: false };

/** Methods of the bus that are open to every client. */
const OPEN = new Set(['Hello', 'RemoveMatch', 'GetId']);

/** Methods of the bus that ask or do something about the name that is their first argument. */
const ABOUT_NAME: ReadonlyMap<string, Access> = new Map([
  ['RequestName', Access.Own],
  ['ReleaseName', Access.Own],
  ['ListQueuedOwners', Access.Own],
  ['StartServiceByName', Access.Talk],
  ['GetConnectionUnixProcessID', Access.See],
  ['GetConnectionCredentials', Access.See],
  ['GetAdtAuditSessionData', Access.See],
  ['GetConnectionSELinuxSecurityContext', Access.See],
  ['GetConnectionUnixUser', Access.See],
]);

/** Judges a call or a signal of the client. */
export function judgeOutgoing(header: MessageHeader, names: VisibleNames): Verdict {
  const destination = headerText(header, 'destination');
  const subject = {
    path: headerText(header, 'path'),
    interface: headerText(header, 'interface'),
    member: headerText(header, 'member'),
  };
  if (names.accessTo(destination) < Access.See) return hidden(header);
  if (!names.lets(destination, 'call', subject)) return DENIED;
  if (destination !== BUS || subject.interface === `${BUS}.Introspectable`) return PASS;
  if (subject.interface !== BUS && subject.interface !== '') return DENIED;
  return judgeBusMethod(header, subject.member, names);
}

/** Passes only methods that are known to be harmless: a bus may have others that are unknown here. */
function judgeBusMethod(header: MessageHeader, member: string, names: VisibleNames): Verdict {
  if (OPEN.has(member)) return PASS;
  if (member === 'AddMatch') return asksToEavesdrop(header) ? DENIED : PASS;
  if (member === 'ListNames' || member === 'ListActivatableNames') return { kind: 'pass-names' };
  const name = firstText(header);
  const access = name === undefined ? Access.None : names.accessTo(name);
  if (member === 'NameHasOwner') return access >= Access.See ? PASS : { kind: 'false' };
  if (member === 'GetNameOwner') {
    if (access >= Access.See) return PASS;
    return { kind: 'error', name: `${ERROR}.NameHasNoOwner`, isHidden: true };
  }
  const needed = ABOUT_NAME.get(member);
  if (needed === undefined) return DENIED;
  if (access >= needed) return PASS;
  return access < Access.See ? hidden(header) : DENIED;
}

/** The error that a name without an owner would cause. */
function hidden(header: MessageHeader): Verdict {
  const isUnique = header.destinationLength > 0 && headerText(header, 'destination')[0] === ':';
  const isNotStarted = isUnique || (header.flags & MessageFlag.NoAutoStart) !== 0;
  const name = `${ERROR}.${isNotStarted ? 'NameHasNoOwner' : 'ServiceUnknown'}`;
  return { kind: 'error', name, isHidden: true };
}

/** Whether an AddMatch asks for messages to others, or cannot be read. */
function asksToEavesdrop(header: MessageHeader): boolean {
  const rule = firstText(header);
  return rule === undefined || rule.includes('eavesdrop=');
}

/** The strings of a body that begins with a string; empty if it does not, or is malformed. */
export function bodyTexts(header: MessageHeader): string[] {
  if (!header.signature.text.startsWith('s')) return [];
  const { bytes, bodyStart, end, littleEndian } = header;
  try {
    const body = decodeBody(header.signature.text, bytes.subarray(bodyStart, end), littleEndian);
    return body.filter((value) => typeof value === 'string');
  } catch {
    return [];
  }
}

function firstText(header: MessageHeader): string | undefined {
  return bodyTexts(header)[0];
}
