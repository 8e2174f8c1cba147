import {
  parseAuthorityMessage,
  type AuthorityMessage,
  type ChannelMessage,
} from './control-messages.js';
import { ControlSocket } from './control-socket.js';
import { Introductions } from './introductions.js';
import { PROTOCOL_VERSION } from './layout.js';
import type { Maxima } from '../quota.js';

/** What a member does on messages from the authority. */
export interface AuthorityListener {
  obey(message: AuthorityMessage, fds: readonly number[]): void;
  /** this process has no descriptor or memory for that channel */
  lostChannel(message: ChannelMessage, reason: string): void;
  /** there will be no new introductions */
  authorityGone(): void;
  diagnose(text: string): void;
}

/** A member's side of its conversation with the authority. */
export class AuthorityClient {
  readonly introductions: Introductions;
  private readonly socket: ControlSocket;
  private readonly listener: AuthorityListener;

  /** Takes over `fd`, a socket connected to the authority. */
  constructor(fd: number, listener: AuthorityListener) {
    this.socket = new ControlSocket(fd);
    this.introductions = new Introductions(this.socket);
    this.listener = listener;
  }

  get fd(): number {
    return this.socket.fd;
  }

  get isOpen(): boolean {
    return this.socket.open;
  }

  sayHello(maxima: Maxima, pageFd: number): void {
    this.socket.send({ kind: 'hello', version: PROTOCOL_VERSION, maxima }, [pageFd]);
  }

  /** This process now reads the channel to `peer`. */
  sayReady(peer: number): void {
    this.socket.send({ kind: 'ready', peer });
  }

  /** This process will never read the channel to `peer`: the authority refuses the introduction to `peer`. */
  decline(peer: number): void {
    this.socket.send({ kind: 'decline', peer });
  }

  /** Reads and processes all messages from the authority. */
  read(): void {
    while (this.isOpen) {
      try {
        const frame = this.socket.receive();
        if (frame === 'empty') return;
        if (frame === 'closed') break;
        const message = parseAuthorityMessage(frame.message);
        if (!frame.hasLostDescriptors) this.listener.obey(message, frame.fds);
        else if (message.kind === 'channel') {
          this.listener.lostChannel(message, 'this process has run out of descriptors');
        }
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        this.listener.diagnose(`the authority: ${text}`);
        break;
      }
    }
    if (!this.isOpen) return;
    this.listener.diagnose('the authority is gone: there will be no new introductions');
    this.listener.authorityGone();
    this.introductions.forgetAll();
  }

  close(): void {
    this.socket.close();
  }
}
