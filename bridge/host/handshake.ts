import { Errno, sendBytes } from '#core/linux/index.js';
import type { SaslServer } from '#bridge/sasl/server.js';

import type { Host } from './host.js';
import { scratch } from './scratch.js';
import type { SocketCredentials } from './socket-credentials.js';

/** Clients that authenticate send a few lines. */
const READ_BYTES = 16 * 1024;

/** Properties of a connection that its listener determines. */
export interface HandshakeOptions {
  /** must precede the first line: D-Bus specification, "Nonce-authenticated TCP Sockets" */
  readonly nonce: Uint8Array | undefined;
  readonly canPassUnixFds: boolean;
}

/** A connection that has not authenticated yet. */
export class Handshake {
  readonly fd: number;
  readonly isEdgeTriggered = true;
  readonly credentials: SocketCredentials;
  private readonly nonce: Uint8Array;
  private nonceBytes = 0;
  private nonceDifference = 0;
  /** descriptors that came with the last line, for the messages after it */
  readonly descriptors: number[] = [];
  private readonly host: Host;
  private readonly server: SaslServer;
  private readonly canPassUnixFds: boolean;

  constructor(
    host: Host,
    fd: number,
    credentials: SocketCredentials,
    server: SaslServer,
    { nonce = NO_NONCE, canPassUnixFds }: HandshakeOptions,
  ) {
    this.host = host;
    this.fd = fd;
    this.credentials = credentials;
    this.nonce = nonce;
    this.canPassUnixFds = canPassUnixFds;
    this.server = server;
  }

  /** Reads lines and answers them; at the end the connection becomes a shim. */
  readable(isEnding: boolean): void {
    const { window } = this.host;
    const { arena, receiver } = window;
    const start = window.open(READ_BYTES);
    const count = receiver.receive(this.fd, arena.address + start, READ_BYTES);
    receiver.addFdsTo(this.descriptors);
    if (count === -Errno.EAGAIN) return;
    if (count <= 0) return this.host.entrance.endHandshake(this, undefined);
    const first = this.isNonceComplete ? start : this.skipNonce(arena.bytes, start, start + count);
    if (this.hasWrongNonce) return this.host.entrance.endHandshake(this, 'its nonce is wrong');
    const used = this.server.feed(arena.bytes, first, start + count);
    if (!this.answer()) return;
    const { failure } = this.server;
    if (failure !== undefined) return this.host.entrance.endHandshake(this, failure.message);
    if (receiver.fdCount > 0 && !this.server.isDone) {
      return this.host.entrance.endHandshake(
        this,
        'it sent file descriptors before it had authenticated',
      );
    }
    if (this.server.isDone) this.finish(first + used, start + count);
    /* a read ends at the first message that came with descriptors, too: unix(7), "Ancillary messages" */
    const mayHaveMore = count === READ_BYTES || receiver.fdCount > 0 || isEnding;
    const endpoint = this.host.poller.at(this.fd);
    if (mayHaveMore && endpoint !== null) this.host.poller.again(endpoint);
  }

  private get isNonceComplete(): boolean {
    return this.nonceBytes === this.nonce.length;
  }

  /** Compares the nonce, and returns where the bytes after it start. */
  private skipNonce(bytes: Uint8Array, start: number, end: number): number {
    const expected = this.nonce.subarray(this.nonceBytes, this.nonceBytes + end - start);
    for (const [i, byte] of expected.entries()) {
      this.nonceDifference |= byte ^ (bytes[start + i] ?? 0);
    }
    this.nonceBytes += expected.length;
    return start + expected.length;
  }

  /** Compared only when it is complete: an answer after each byte would let a client guess byte by byte. */
  private get hasWrongNonce(): boolean {
    return this.nonceDifference !== 0 && this.isNonceComplete;
  }

  /** Sends pending answers. Returns false when the connection has ended. */
  private answer(): boolean {
    const output = this.server.takeOutput();
    if (output.length === 0) return true;
    /* A fresh socket has room for a few lines; a client that fills it up does not read its answers. */
    const address = scratch(output);
    const sent = address === undefined ? 0 : sendBytes(this.fd, address, output.length);
    if (sent === output.length) return true;
    const hasLeft = sent === -Errno.EPIPE || sent === -Errno.ECONNRESET;
    const reason = 'it does not read the replies to its authentication';
    this.host.entrance.endHandshake(this, hasLeft ? undefined : reason);
    return false;
  }

  private finish(start: number, end: number): void {
    const rest = this.host.arena.bytes.subarray(start, end);
    const identity = this.server.identity!;
    const hasUnixFds = this.canPassUnixFds && this.server.hasUnixFds;
    this.host.entrance.authenticated(this, identity.uid, hasUnixFds, rest);
  }
}

const NO_NONCE = new Uint8Array(0);
