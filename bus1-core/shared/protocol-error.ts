/** Another process broke the rules of a channel: the channel is closed, nothing else is. */
export class ChannelError extends Error {
  readonly code = 'EPROTO';

  constructor(what: string) {
    super(what);
    this.name = 'ChannelError';
  }
}
