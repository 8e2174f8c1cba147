import type { Handle, Message, Node } from '#core/index.js';
import {
  ControlCode,
  controlMessage,
  parseControl,
  type Resolution,
} from '#bridge/registry/control-message.js';
import type { Grant } from '#bridge/registry/grants.js';

import type { Host } from './host.js';
import { INBOX, Lookup, NAME_NODE } from './node-contexts.js';
import { noReply } from './refusals.js';
import type { Shim } from './shim.js';

interface Arrival {
  readonly shim: Shim;
  readonly node: Node;
  readonly bytes: Uint8Array;
}

/**
 * Messages of our own for the shims of a host. A sink may not start operations of the core, so
 * instructions are noted when they arrive and carried out right after the transaction that brought
 * them.
 */
export class ControlInbox {
  private readonly host: Host;
  private arrivals: Arrival[] = [];
  private unanswered: { readonly shim: Shim; readonly serial: number }[] = [];

  constructor(host: Host) {
    this.host = host;
  }

  accept(shim: Shim, node: Node, message: Message): void {
    const bytes = message.copyBytes();
    if (node.context instanceof Lookup) {
      const handle: Handle | null = message.receivedCount > 0 ? message.received[0] : null;
      node.context.answer(bytes[0] as Resolution, handle, message.note as Grant);
    } else {
      this.arrivals.push({ shim, node, bytes });
    }
  }

  /** A call that nobody can answer any more. */
  noReply(shim: Shim, serial: number): void {
    this.unanswered.push({ shim, serial });
  }

  /** That a name has gone is told first, as by the reference daemon. */
  tellUnanswered(): void {
    const { unanswered } = this;
    if (unanswered.length === 0) return;
    this.unanswered = [];
    for (const { shim, serial } of unanswered) noReply(shim, serial);
  }

  run(): void {
    while (this.arrivals.length > 0) {
      const arrivals = this.arrivals;
      this.arrivals = [];
      for (const arrival of arrivals) if (arrival.shim.live) this.carryOut(arrival);
    }
  }

  private carryOut({ shim, node, bytes }: Arrival): void {
    const { code, text, number } = parseControl(bytes);
    if (node.context === NAME_NODE && code === ControlCode.ReleaseName) {
      this.releaseName(shim, node, text.startsWith('1'), text.slice(1));
    }
    if (node.context !== INBOX) return;
    if (code === ControlCode.Welcome) this.welcome(shim, number);
    else if (code === ControlCode.BecomeMonitor) shim.becomeMonitor();
    else if (code === ControlCode.Disconnect) this.host.close(shim, text);
  }

  private welcome(shim: Shim, number: number): void {
    shim.senderField.setNumber(number);
    this.host.lobby.leave(shim.fd);
  }

  /**
   * What was sent to the name before has been appended to the outbox already, so nothing needs to
   * be drained.
   */
  private releaseName(shim: Shim, node: Node, requeue: boolean, name: string): void {
    shim.peer.release(node);
    if (!requeue) return;
    const { node: next, handle } = shim.peer.createNode();
    next.context = NAME_NODE;
    const message = controlMessage(this.host.control, ControlCode.NameNode, name);
    message.addTransfer(handle);
    shim.peer.send(shim.driver.handle, message);
    shim.peer.release(handle);
  }
}
