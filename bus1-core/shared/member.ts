import { closeFd, type PeerCredentials } from '../linux/index.js';
import type { Maxima } from '../quota.js';
import type { ChannelMessage } from './control-messages.js';
import type { ControlSocket } from './control-socket.js';

/** A process of the domain, as the authority knows it. */
export class Member {
  readonly socket: ControlSocket;
  readonly credentials: PeerCredentials;
  readonly namesAccounts: boolean;
  readonly isRoot: boolean;
  readonly isTrusted: boolean;
  /** 0 until it has said hello; never used again */
  id = 0;
  maxima: Maxima = { objects: 0, bytes: 0, descriptors: 0 };
  /** processes that it has, or is about to have, a channel to */
  readonly peers = new Set<number>();
  pageFd = -1;
  pidFd = -1;

  constructor(
    socket: ControlSocket,
    credentials: PeerCredentials,
    namesAccounts: boolean,
    isRoot: boolean,
    isTrusted: boolean,
  ) {
    this.socket = socket;
    this.credentials = credentials;
    this.namesAccounts = namesAccounts;
    this.isRoot = isRoot;
    this.isTrusted = isTrusted;
  }

  /** What another process is told about this one. */
  channelMessage(
    ringBytes: number,
    isFirst: boolean,
    root: ChannelMessage['root'],
  ): ChannelMessage {
    return {
      kind: 'channel',
      peer: this.id,
      uid: this.credentials.uid,
      pid: this.credentials.pid,
      namesAccounts: this.namesAccounts,
      isTrusted: this.isTrusted,
      maxima: this.maxima,
      ringBytes,
      isFirst,
      root,
    };
  }

  close(): void {
    this.socket.close();
    if (this.pageFd >= 0) closeFd(this.pageFd);
    if (this.pidFd >= 0) closeFd(this.pidFd);
  }
}
