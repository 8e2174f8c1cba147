import { ChannelError } from '../errors.js';
import type { Maxima } from '../quota.js';
import { PROTOCOL_VERSION, RING_BYTES_MAX, RING_BYTES_MIN } from './layout.js';

/** From a member to the authority. */
export type MemberMessage =
  /** the first message, with the descriptor of its page */
  | { readonly kind: 'hello'; readonly version: number; readonly maxima: Maxima }
  /** wants a channel to process `peer` */
  | { readonly kind: 'introduce'; readonly peer: number }
  /** now reads the channel to `peer` */
  | { readonly kind: 'ready'; readonly peer: number }
  /** instead of `ready`: has no room for that channel */
  | { readonly kind: 'decline'; readonly peer: number };

/** From the authority to a member. */
export type AuthorityMessage =
  /** `root` is the process that has the root node, 0 for none */
  | { readonly kind: 'welcome'; readonly id: number; readonly root: number }
  /** with descriptors: memory, the doorbell to wait at, that to ring, socket, the other's page */
  | ChannelMessage
  | { readonly kind: 'gone'; readonly peer: number }
  /** `isInvented`: no process ever had that number */
  | {
      readonly kind: 'refused';
      readonly peer: number;
      readonly reason: string;
      readonly isInvented?: boolean;
    };

/** What the authority tells of a process to others. */
export interface ProcessDescription {
  readonly uid: number;
  readonly pid: number;
  /** what it ran when it was admitted, '' for unknown (`executableOf`) */
  readonly executable: string;
  /** may send on behalf of other users than its own */
  readonly namesAccounts: boolean;
  /** the creator of the domain vouches for it (`Authority.admit`) */
  readonly isTrusted: boolean;
  /** how much may be charged to each user of that process */
  readonly maxima: Maxima;
}

export interface ChannelMessage extends ProcessDescription {
  readonly kind: 'channel';
  readonly peer: number;
  readonly ringBytes: number;
  /** writes into the first ring of the memory, reads from the second */
  readonly isFirst: boolean;
  /** the root node travels on this channel: from `peer`, or to it */
  readonly root: 'from-peer' | 'to-peer' | 'none';
}

const UINT32_MAX = 0xffff_ffff;

export const CHANNEL_DESCRIPTORS = 5;

/** Checks a message from a member, which is not trusted. */
export function parseMemberMessage(message: unknown): MemberMessage {
  const fields = fieldsOf(message);
  switch (fields['kind']) {
    case 'hello':
      if (fields['version'] !== PROTOCOL_VERSION) {
        throw new ChannelError(`unsupported protocol version ${String(fields['version'])}`);
      }
      return { kind: 'hello', version: PROTOCOL_VERSION, maxima: parseMaxima(fields['maxima']) };
    case 'introduce':
    case 'ready':
    case 'decline':
      return { kind: fields['kind'], peer: memberId(fields['peer']) };
    default:
      throw new ChannelError('an unknown request');
  }
}

/** Checks a message from the authority, which is trusted: this only finds bugs. */
export function parseAuthorityMessage(message: unknown): AuthorityMessage {
  const fields = fieldsOf(message);
  const { kind } = fields;
  switch (kind) {
    case 'channel':
      return parseChannel(fields);
    case 'welcome':
      return { kind, id: memberId(fields['id']), root: memberId(fields['root']) };
    case 'gone':
      return { kind, peer: memberId(fields['peer']) };
    case 'refused': {
      const { peer, reason, isInvented } = fields;
      return {
        kind,
        peer: memberId(peer),
        reason: text(reason),
        ...(isInvented !== undefined && { isInvented: flag(isInvented) }),
      };
    }
    default:
      throw new ChannelError('the authority sent a message of an unknown kind');
  }
}

function parseChannel(fields: Fields): ChannelMessage {
  const ringBytes = natural(fields['ringBytes'], RING_BYTES_MAX);
  if (ringBytes < RING_BYTES_MIN)
    throw new ChannelError(`a ring has ${ringBytes} bytes, fewer than ${RING_BYTES_MIN}`);
  const { root } = fields;
  if (root !== 'from-peer' && root !== 'to-peer' && root !== 'none') {
    throw new ChannelError(`"${String(root)}" does not say how the root travels`);
  }
  return {
    kind: 'channel',
    peer: memberId(fields['peer']),
    uid: natural(fields['uid'], UINT32_MAX),
    pid: natural(fields['pid'], UINT32_MAX),
    executable: text(fields['executable']),
    namesAccounts: flag(fields['namesAccounts']),
    isTrusted: flag(fields['isTrusted']),
    maxima: parseMaxima(fields['maxima']),
    ringBytes,
    isFirst: flag(fields['isFirst']),
    root,
  };
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(message: unknown): Fields {
  if (typeof message !== 'object' || message === null) {
    throw new ChannelError('a message that is not a JSON object');
  }
  return { ...message };
}

/** The ID of a member of the domain. */
function memberId(value: unknown): number {
  return natural(value, UINT32_MAX);
}

function text(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new ChannelError(`${String(value)} where a text is expected`);
}

function flag(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new ChannelError(`${String(value)} where true or false is expected`);
}

function natural(value: unknown, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) {
    return value;
  }
  throw new ChannelError(`${String(value)} where a number is expected`);
}

function parseMaxima(value: unknown): Maxima {
  const { objects, bytes, descriptors } = fieldsOf(value);
  const max = Number.MAX_SAFE_INTEGER;
  return {
    objects: natural(objects, max),
    bytes: natural(bytes, max),
    descriptors: natural(descriptors, max),
  };
}
