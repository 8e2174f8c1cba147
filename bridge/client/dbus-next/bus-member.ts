import { Member } from '#bridge/client/member.js';
import { DbusNextReader } from './message-reader.js';
import { BusMessageSender } from './bus-message-sender.js';

/** A member of a domain whose messages have the values of dbus-next. */
export class BusMember extends Member {
  override readonly reader = new DbusNextReader(this);
  override readonly calls = new BusMessageSender(this);

  set takesDescriptors(takes: boolean) {
    this.reader.takesDescriptors = takes;
    this.calls.takesDescriptors = takes;
  }
}
