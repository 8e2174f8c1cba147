/**
 * The errors of the core, by the names that the BUS1 character device would give them
 * (bus1.7, "Errors"; `ipc/bus1/cdev.c`).
 */
export const Bus1Code = {
  /** a target that is no peer any more */
  EBADF: 'EBADF',
  /** an ID or object that is no live handle (or node, where one is wanted) of this peer */
  EBADRQC: 'EBADRQC',
  /** a flag or a combination of arguments that has no meaning */
  EINVAL: 'EINVAL',
  /** data vectors shorter than the message, or a receive buffer that is too small */
  EMSGSIZE: 'EMSGSIZE',
  /** nothing to receive */
  EAGAIN: 'EAGAIN',
  /** a target that belongs to another domain or is not a peer at all */
  EOPNOTSUPP: 'EOPNOTSUPP',
  /** the receiving user has no room left for what this sender's user may claim */
  EDQUOT: 'EDQUOT',
} as const;

export type Bus1Code = (typeof Bus1Code)[keyof typeof Bus1Code];

/** A refused operation. It had no visible effect. */
export class Bus1Error extends Error {
  readonly code: Bus1Code;

  constructor(code: Bus1Code, what: string) {
    super(`${code}: ${what}`);
    this.name = 'Bus1Error';
    this.code = code;
  }
}

/** Another process broke the rules of a channel: the channel is closed, nothing else is. */
export class ChannelError extends Error {
  readonly code = 'EPROTO';

  constructor(what: string) {
    super(what);
    this.name = 'ChannelError';
  }
}
