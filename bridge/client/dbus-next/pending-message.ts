import type { ArrivedMessage } from '#bridge/client/contexts.js';
import { DBusError, ErrorName } from '#bridge/client/errors.js';
import { Pending } from '#bridge/client/pending.js';
import { MessageType } from '#bridge/wire/types.js';
import type { BusMember } from './admission.js';
import type { BusMessage } from './library.js';
import type { Owner } from './owners.js';

/** A call that was sent: its value is the method return, or the error. */
export class PendingMessage extends Pending<BusMessage> {
  /** the sender that an answer claims, when that cannot be checked here */
  claimedSender: string | undefined;
  private readonly home: BusMember;
  private readonly request: BusMessage;
  /** undefined for calls to the bus itself */
  private readonly owner: Owner | undefined;

  constructor(member: BusMember, request: BusMessage, owner: Owner | undefined) {
    super(member);
    this.home = member;
    this.request = request;
    this.owner = owner;
  }

  get what(): string {
    return `the call ${this.request.member}`;
  }

  protected read(message: ArrivedMessage): void {
    const { reader } = this.home;
    if (!reader.read(message, message.receivedCount)) {
      this.error = new DBusError(ErrorName.NoReply, `malformed reply: ${reader.fault}`);
      return;
    }
    const { type, flags, errorName, signature, destination } = reader.header;
    if (type !== MessageType.MethodReturn && type !== MessageType.Error) {
      reader.references?.closeDescriptors();
      this.error = new DBusError(
        ErrorName.NoReply,
        'the reply is neither a method return nor an error',
      );
      return;
    }
    const refusal = this.home.senders.refusal(reader.header, message.origin);
    if (refusal !== undefined) {
      reader.references?.closeDescriptors();
      this.home.keptBack(this.senderOf(message.origin), refusal);
      this.error = new DBusError(ErrorName.NoReply, `the reply was withheld. ${refusal.why}`);
      return;
    }
    this.value = {
      type,
      flags,
      serial: reader.serial,
      errorName,
      replySerial: this.request.serial!,
      sender: this.senderOf(message.origin),
      destination,
      signature: signature.text,
      body: reader.body,
    };
  }

  /** A process that replies has got the reply handle from the owner of the name, and so may reply in its name. */
  private senderOf(origin: number): string | undefined {
    const { header } = this.home.reader;
    const known = this.home.senders.of(header, origin);
    if (known !== undefined || this.owner === undefined) return known;
    if (this.owner.uniqueName === undefined) this.claimedSender = header.sender;
    return this.owner.uniqueName === header.sender ? header.sender : undefined;
  }
}
