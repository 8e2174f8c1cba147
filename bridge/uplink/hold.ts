import type { Connection } from '#bridge/registry/connection.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import type { Attachment } from './attachment.js';
import type { Unsent } from './outbound.js';
import type { Uplink } from './uplink.js';

interface Held {
  readonly from: Uplink;
  readonly message: Unsent;
}

/**
 * The messages from clients of the bridge to a name that is changing hands, in order. They stay charged to their
 * senders, whose quotas bound them.
 */
export class Hold {
  readonly name: string;
  private readonly attachment: Attachment;
  private readonly held: Held[] = [];

  constructor(attachment: Attachment, name: string) {
    this.attachment = attachment;
    this.name = name;
  }

  get count(): number {
    return this.held.length;
  }

  add(from: Uplink, message: Unsent): void {
    this.held.push({ from, message });
  }

  /** The name has its new owner on the other bus. */
  sendOn(): void {
    this.attachment.holds.end(this);
    for (const { from, message } of this.held.splice(0)) from.outbound.carryOn(message);
  }

  /** The name is owned here. */
  deliver(owner: Connection): void {
    this.attachment.holds.end(this);
    for (const { from, message } of this.held.splice(0)) {
      this.attachment.delivery.deliver(from, message.parcel, this.name, owner);
      from.outbound.wentElsewhere();
    }
  }
}

/** The names for which messages are held. */
export class Holds {
  private readonly attachment: Attachment;
  private readonly byName = new Map<string, Hold>();

  constructor(attachment: Attachment) {
    this.attachment = attachment;
  }

  begin(name: string): Hold {
    const hold = new Hold(this.attachment, name);
    this.byName.set(name, hold);
    return hold;
  }

  end(hold: Hold): void {
    this.byName.delete(hold.name);
  }

  // hot
  find(header: MessageHeader): Hold | null {
    return this.byName.size === 0 ? null : this.byDestination(header);
  }

  private byDestination({
    bytes,
    destinationOffset,
    destinationLength,
  }: MessageHeader): Hold | null {
    const end = destinationOffset + destinationLength;
    const name = Buffer.from(bytes.slice(destinationOffset, end)).toString('latin1');
    return this.byName.get(name) ?? null;
  }
}
