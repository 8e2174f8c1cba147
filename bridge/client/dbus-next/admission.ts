import type { Handle } from '#core/index.js';
import { PendingAdmission } from '#bridge/client/admission.js';
import type { DriverClient } from '#bridge/client/driver-client.js';
import { HeldHandle } from '#bridge/client/held-handle.js';
import { reachBus, type BusChoice } from '#bridge/client/reach.js';
import { Control, encode } from '#bridge/registry/control-message.js';
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

const TIMEOUT_MS = 10_000;

/** A dbus-next program expects to receive every message sent to it: its limits are above a native process's. */
const MAXIMA = { objects: 1 << 20, bytes: 1 << 28, descriptors: 1024 };

/** Reaches the first authority of a bus that listens. @throws ClientError `JoinFailed` */
export function reachAuthority(choice: BusChoice, onDiagnostic: (text: string) => void): BusMember {
  return reachBus(choice, (way) => new BusMember(way, { maxima: MAXIMA, onDiagnostic }));
}

/**
 * Becomes a connection of the bus, whose messages arrive at the node behind `inbox`. Resolves with the bus's driver.
 *
 * @throws ClientError `JoinFailed`
 */
export async function enter(
  member: Member,
  inbox: Handle,
  takesDescriptors: boolean,
): Promise<DriverClient> {
  await member.awaitAdmission(TIMEOUT_MS);
  const root = new HeldHandle(member, member.shared.copyRoot(member.peer));
  try {
    return await new Promise<DriverClient>((resolve, reject) => {
      const pending = new PendingAdmission(member);
      pending.settles(resolve, reject);
      const bytes = encode(Control.Admit, { takesDescriptors, credentials: undefined });
      const node = member.calls.sendControl(root, bytes, [inbox], pending);
      pending.begin(node, { timeoutMs: TIMEOUT_MS });
    });
  } finally {
    root.release();
    if (member.isOpen) member.peer.release(inbox);
  }
}
