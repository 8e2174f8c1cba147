import { DescriptorSet } from '#core/index.js';
import { closeReceived, Errno, errnoName, randomBytes, sendBytes } from '#core/linux/index.js';
import type { Host } from '#bridge/host/host.js';
import { scratch } from '#bridge/host/scratch.js';
import { Inflow, ReadStatus, type MessageHandler } from '#bridge/host/inflow.js';
import { SocketOutput, type OutputOwner } from '#bridge/host/socket-output.js';
import { Outbox } from '#bridge/host/outbox.js';
import type { Endpoint } from '#bridge/host/poller.js';
import { DRIVER_NAME, DRIVER_PATH } from '#bridge/registry/directory.js';
import { Envelope } from '#bridge/registry/envelope.js';
import { SaslClient } from '#bridge/sasl/client.js';
import { validateBody } from '#bridge/wire/body.js';
import { wireFaultText } from '#bridge/wire/faults.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { MESSAGE_MAX_BYTES, UNIX_FDS_MAX } from '#bridge/wire/limits.js';
import {
  decodeMessage,
  encodeMessage,
  type DecodedMessage,
  type MessageFields,
} from '#bridge/wire/message.js';
import { bodyOf } from '#bridge/wire/typed-body.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import type { BusSocket } from '#bridge/socket/connect.js';
import { PEER } from '#bridge/wire/standard-names.js';
import { Serials } from '#bridge/wire/serials.js';

const HANDSHAKE_BYTES = 4096;
/** Descriptors of messages that have not arrived completely. */
const WAITING_FDS_MAX = 4 * UNIX_FDS_MAX;
const DEAF = 'it does not read during the authentication';

/** The reply of the other bus to a call of our own; undefined: the connection ended before the reply came. */
export type BusReply = DecodedMessage | undefined;
/** `descriptors` are dropped afterwards: the taker retains what it keeps. */
export type ReplyTaker = (reply: BusReply, descriptors: DescriptorSet | null) => void;

export interface LinkEvents {
  /** The other bus has greeted us. */
  ready(): void;
  /** A message that is no answer to a call of our own. */
  message(header: MessageHeader, descriptors: DescriptorSet | null): void;
  /** The outbox has been written completely. */
  drained?(): void;
  /** The connection has ended for this reason. Called once, and not after `close`. */
  closed(reason: string): void;
}

/** A connection to the existing bus, which lives in the host's loop like those of clients. */
export class BusLink implements Endpoint, MessageHandler, OutputOwner {
  readonly fd: number;
  /** never pauses reading: consumers buffer */
  readonly takesMore = true;
  readonly outbox: Outbox;
  private readonly output: SocketOutput;
  readonly envelope = new Envelope();
  uniqueName = '';
  guid = '';
  hasUnixFds = false;
  isReady = false;
  live = true;
  /** waits in the host's list of outboxes to flush */
  isDirty = false;

  private readonly host: Host;
  private readonly events: LinkEvents;
  private readonly inflow: Inflow;
  private readonly calls = new Map<number, ReplyTaker>();
  private sasl: SaslClient | null;
  readonly serials = new Serials();

  constructor(host: Host, { fd, guid }: BusSocket, events: LinkEvents) {
    this.host = host;
    this.fd = fd;
    this.events = events;
    this.outbox = new Outbox(host.outboxes);
    this.output = new SocketOutput(this, host.poller, host.deadlines);
    this.inflow = new Inflow(
      fd,
      host.window,
      host.outboxes.large,
      MESSAGE_MAX_BYTES,
      WAITING_FDS_MAX,
    );
    const expected = guid === undefined ? {} : { expectedGuid: guid };
    this.sasl = new SaslClient({
      uid: host.options.uid,
      wantsUnixFds: true,
      randomBytes,
      ...expected,
    });
    host.poller.watch(this);
    /* The caller does not have this link yet, so a failure at this point is reported after the constructor. */
    if (!this.sendsLines(this.sasl)) host.at(performance.now(), () => this.fail(DEAF));
  }

  /** Calls a method of the other bus itself. */
  call(member: string, signature: string, body: readonly unknown[], taker: ReplyTaker): void {
    const path = DRIVER_PATH;
    const destination = DRIVER_NAME;
    this.post({ path, interface: DRIVER_NAME, member, destination, signature }, body, taker);
  }

  /** Pings a connection of the other bus. Any reply of its own shows that it is there, even an error. */
  ping(destination: string, taker: ReplyTaker): void {
    const flags = MessageFlag.NoAutoStart;
    const call = { flags, path: '/', interface: PEER, member: 'Ping', destination };
    this.post(call, [], taker);
  }

  private post(
    fields: Omit<MessageFields, 'type' | 'serial'>,
    body: readonly unknown[],
    taker: ReplyTaker,
  ): void {
    if (!this.live) return taker(undefined, null);
    const serial = this.serials.next();
    this.calls.set(serial, taker);
    this.sendOwn(encodeMessage({ ...fields, type: MessageType.MethodCall, serial }, body));
  }

  /** Answers a call that was made to us with an error. */
  sendError(to: string, replySerial: number, errorName: string, text: string): void {
    const type = MessageType.Error;
    const flags = MessageFlag.NoReplyExpected;
    const serial = this.serials.next();
    this.sendOwn(
      encodeMessage(
        { type, flags, serial, replySerial, errorName, destination: to, signature: 's' },
        [text],
      ),
    );
  }

  private sendOwn(bytes: Uint8Array): void {
    this.outbox.appendBytes(bytes);
    this.grown();
  }

  /** Something was appended to the outbox. */
  // hot
  grown(): void {
    if (!this.isDirty) this.host.markDirty(this);
  }

  /** Stops reading: further messages wait on the other bus. */
  pause(): void {
    this.host.poller.setReading(this.fd, false);
  }

  resume(): void {
    if (this.live) this.host.poller.setReading(this.fd, true);
  }

  // hot
  readable(): void {
    if (this.sasl !== null) return this.authenticate(this.sasl);
    const status = this.inflow.read(this);
    if (status !== ReadStatus.Ok && this.live) this.fail(this.endText(status));
  }

  writable(): void {
    this.output.writable();
  }

  // hot
  flush(): void {
    this.output.flush();
  }

  drained(): void {
    this.events.drained?.();
  }

  /** First takes in messages of other processes: one of them may have caused what this link has received. */
  // hot
  begin(): void {
    const { peers } = this.host;
    if (peers !== null) peers.shared.catchUp();
  }

  // hot
  message(bytes: Uint8Array, view: DataView, start: number, end: number): boolean {
    if (!this.live) return false;
    const { header } = this.envelope;
    const fault = header.scan(bytes, view, start, end) || validateBody(header);
    if (fault !== 0) return this.malformed(fault);
    const descriptors = header.unixFds === 0 ? null : this.claimDescriptors(header.unixFds);
    if (!this.live) return false;
    if (header.replySerial === 0 || !this.isAnswer(header, descriptors))
      this.events.message(header, descriptors);
    descriptors?.drop();
    return this.live;
  }

  private malformed(fault: number): false {
    this.fail(`it sent a malformed message: ${wireFaultText(fault)}`);
    return false;
  }

  /** Ends the connection without notifying anyone. */
  close(): void {
    if (!this.live) return;
    this.live = false;
    this.isReady = false;
    this.outbox.close();
    this.inflow.close();
    this.host.poller.close(this.fd);
    const calls = [...this.calls.values()];
    this.calls.clear();
    for (const taker of calls) taker(undefined, null);
  }

  /** Ends the connection because it cannot go on. */
  fail(reason: string): void {
    if (!this.live) return;
    this.close();
    this.events.closed(reason);
  }

  private isAnswer(header: MessageHeader, descriptors: DescriptorSet | null): boolean {
    const taker = this.calls.get(header.replySerial);
    if (taker === undefined) return false;
    this.calls.delete(header.replySerial);
    taker(decodeMessage(header.bytes.slice(header.start, header.end)), descriptors);
    return true;
  }

  private claimDescriptors(count: number): DescriptorSet | null {
    const fds = this.inflow.claimDescriptors(count);
    if (fds !== undefined) return new DescriptorSet(fds, closeReceived);
    this.fail(`it announced ${count} file descriptors that did not arrive`);
    return null;
  }

  private authenticate(sasl: SaslClient): void {
    const { window } = this.host;
    const { arena, receiver } = window;
    const start = window.open(HANDSHAKE_BYTES);
    const count = receiver.receive(this.fd, arena.address + start, HANDSHAKE_BYTES);
    if (count === -Errno.EAGAIN) return;
    if (count <= 0) return this.fail('it closed the connection during the authentication');
    sasl.feed(arena.bytes, start, start + count);
    if (!this.sendsLines(sasl)) return this.fail(DEAF);
    if (sasl.failure !== undefined) return this.fail(sasl.failure.message);
    if (sasl.isDone) this.sayHello(sasl);
  }

  private sendsLines(sasl: SaslClient): boolean {
    const output = sasl.takeOutput();
    if (output.length === 0) return true;
    const address = scratch(output);
    return address !== undefined && sendBytes(this.fd, address, output.length) === output.length;
  }

  private sayHello(sasl: SaslClient): void {
    this.sasl = null;
    this.guid = sasl.guid ?? '';
    this.hasUnixFds = sasl.hasUnixFds;
    this.call('Hello', '', [], (reply) => {
      if (reply === undefined) return;
      if (reply.type !== MessageType.MethodReturn) return this.fail(String(reply.body[0]));
      this.uniqueName = String(reply.body[0]);
      this.isReady = true;
      this.events.ready();
    });
  }

  /** The last messages of the other bus can still be read; the end of input closes the connection. */
  brokenPipe(errno: number): void {
    if (errno !== Errno.EPIPE && errno !== Errno.ECONNRESET) {
      return this.fail(`writing failed with ${errnoName(errno)}`);
    }
    this.outbox.close();
  }

  private endText(status: number): string {
    if (status > 0) return `it sent a malformed message: ${wireFaultText(status)}`;
    if (status === ReadStatus.Broken && this.inflow.errno !== Errno.ECONNRESET) {
      return `reading failed with ${errnoName(this.inflow.errno)}`;
    }
    return status === ReadStatus.Descriptors
      ? 'it sent more file descriptors than this process may have open'
      : 'it closed the connection';
  }
}

/** The names that a reply lists; none if it is an error. */
export function namesIn(reply: BusReply): readonly string[] {
  if (reply?.type !== MessageType.MethodReturn) return [];
  return bodyOf(reply, 'as')?.[0] ?? [];
}
