import { closeFd, executableOf, type PeerCredentials } from '../linux/index.js';
import type { Maxima } from '../quota.js';
import type { ChannelMessage } from './control-messages.js';
import type { ControlSocket } from './control-socket.js';
import { describeProcess } from './diagnostics.js';

/** How many times at once a member may be introduced again to processes to which its channel was closed. */
const REPEATS_MAX = 16;
/** One more repeated introduction is allowed each time this has passed. */
const REPEAT_INTERVAL_MS = 60_000;

/** A process of the domain, as the authority knows it. */
export class MemberRecord {
  readonly socket: ControlSocket;
  readonly credentials: PeerCredentials;
  readonly executable: string;
  readonly namesAccounts: boolean;
  readonly isRoot: boolean;
  readonly isTrusted: boolean;
  readonly sinceMs = performance.now();
  /** 0 until it has said hello; never used again */
  id = 0;
  maxima: Maxima = { objects: 0, bytes: 0, descriptors: 0 };
  /** processes that it has, or is about to have, a channel to */
  readonly peers = new Set<number>();
  /** processes that are gone, to be reported to it when it reads again */
  readonly unsaidGone: number[] = [];
  pageFd = -1;
  pidFd = -1;
  private repeats = 0;
  private repeatsSinceMs = 0;

  constructor(
    socket: ControlSocket,
    credentials: PeerCredentials,
    namesAccounts: boolean,
    isRoot: boolean,
    isTrusted: boolean,
  ) {
    this.socket = socket;
    this.credentials = credentials;
    this.executable = executableOf(credentials.pid);
    this.namesAccounts = namesAccounts;
    this.isRoot = isRoot;
    this.isTrusted = isTrusted;
  }

  get hasSaidHello(): boolean {
    return this.pageFd >= 0;
  }

  /** Describes the member, for a diagnostic. */
  get description(): string {
    return describeProcess(this.credentials, this.executable);
  }

  /** Whether it may be introduced once more to a process that it had a channel to. */
  mayRepeat(): boolean {
    const nowMs = performance.now();
    const passed = Math.floor((nowMs - this.repeatsSinceMs) / REPEAT_INTERVAL_MS);
    if (passed > 0) {
      this.repeats = Math.max(0, this.repeats - passed);
      this.repeatsSinceMs = nowMs;
    }
    return ++this.repeats <= REPEATS_MAX;
  }

  /** The message that introduces this member to another process. */
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
      executable: this.executable,
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
