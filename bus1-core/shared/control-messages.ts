import type { Maxima } from '../quota.js';
import { PROTOCOL_VERSION, RING_BYTES_MAX, RING_BYTES_MIN } from './layout.js';
import { ChannelError } from './protocol-error.js';

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

export interface ChannelMessage {
  readonly kind: 'channel';
  readonly peer: number;
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
  readonly ringBytes: number;
  /** writes into the first ring of the memory, reads from the second */
  readonly isFirst: boolean;
  /** the root node travels on this channel: from `peer`, or to it */
  readonly root: 'from-peer' | 'to-peer' | 'none';
}

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
      return { kind: fields['kind'], peer: natural(fields['peer'], 0xffff_ffff) };
    default:
      throw new ChannelError('an unknown request');
  }
}

/** Checks a message from the authority, which is trusted: this only finds bugs. */
export function parseAuthorityMessage(message: unknown): AuthorityMessage {
  const fields = fieldsOf(message);
  const kind = fields['kind'];
  if (kind === 'channel') {
    const ringBytes = natural(fields['ringBytes'], RING_BYTES_MAX);
    if (ringBytes < RING_BYTES_MIN) throw new ChannelError(`a ring of only ${ringBytes} bytes`);
  } else if (kind !== 'welcome' && kind !== 'gone' && kind !== 'refused') {
    throw new ChannelError('an unknown message of the authority');
  }
  return message as AuthorityMessage;
}

function fieldsOf(message: unknown): Record<string, unknown> {
  if (typeof message !== 'object' || message === null)
    throw new ChannelError('a message that is not a JSON object');
  return message as Record<string, unknown>;
}

function natural(value: unknown, max: number): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max) {
    return value as number;
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
