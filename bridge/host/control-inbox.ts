import type { Handle, Node } from '#core/index.js';
import { emptyList } from '#core/stable-shape.js';
import {
  arrivalOf,
  Control,
  controlMessage,
  readControl,
  Resolution,
  type MessageTo,
} from '#bridge/registry/control-message.js';

import { blame } from './blame.js';
import type { Host } from './host.js';
import { Rejection, type Rejected } from './foreign-messages.js';
import {
  ADMISSION,
  CAPTURE,
  INBOX,
  Lookup,
  NAME_NODE,
  type ArrivedMessage,
  type ShimHandle,
  type ShimNode,
} from './node-contexts.js';
import { noReply, noteDenial, refuseForeign } from './refusals.js';
import type { Shim } from './shim.js';

interface Arrival {
  readonly shim: Shim;
  readonly node: ShimNode;
  readonly order: MessageTo<'inbox' | 'name node'>;
}

/** The driver's answer to the request to admit a client; undefined: it is malformed, or there is none. */
interface Admission {
  readonly shim: Shim;
  readonly answer: MessageTo<'admission'> | undefined;
  readonly handles: readonly ShimHandle[];
}

/** An answer that cannot be read counts as this one. */
const UNOWNED = { resolution: Resolution.Unowned, owner: -1 };

/**
 * Control messages for the shims of a host. A sink may not start operations of the core, so
 * instructions are noted when they arrive and carried out right after the transaction that brought
 * them.
 */
export class ControlInbox {
  private readonly host: Host;
  private arrivals = emptyList<Arrival>();
  private admissions = emptyList<Admission>();
  private rejected = emptyList<Rejected>();
  private unanswered = emptyList<{ readonly shim: Shim; readonly serial: number }>();

  constructor(host: Host) {
    this.host = host;
  }

  accept(shim: Shim, node: ShimNode, message: ArrivedMessage): void {
    const { context } = node;
    const arrival = arrivalOf(message);
    const isOfBus = this.host.isOurs(message.origin);
    if (context === ADMISSION) {
      const handles = message.received.slice(0, message.receivedCount);
      this.admissions.push({ shim, answer: readControl('admission', arrival, isOfBus), handles });
    } else if (context instanceof Lookup) {
      const [handle = null] = message.received.slice(0, message.receivedCount);
      const { resolution, owner } = readControl('lookup', arrival, isOfBus) ?? UNOWNED;
      context.answer(resolution, owner, handle);
      this.host.continueWith(shim);
    } else if (context === INBOX || context === NAME_NODE) {
      const place = context === INBOX ? 'inbox' : 'name node';
      const order = readControl(place, arrival, isOfBus);
      if (order !== undefined) this.arrivals.push({ shim, node, order });
    }
  }

  /** A call can no longer be answered. */
  noReply(shim: Shim, serial: number): void {
    this.unanswered.push({ shim, serial });
  }

  /** Notes a message of another process that is not passed on. */
  reject(rejected: Rejected): void {
    this.rejected.push(rejected);
  }

  /** NoReply errors follow NameOwnerChanged, as in dbus-daemon. */
  tellUnanswered(): void {
    const { unanswered } = this;
    if (unanswered.length === 0) return;
    this.unanswered = emptyList();
    this.host.registry.whenTold(() => {
      for (const { shim, serial } of unanswered) if (shim.live) noReply(shim, serial);
    });
  }

  run(): void {
    for (const admission of this.admissions.splice(0)) {
      if (admission.shim.live) this.attempt(admission.shim, 0, () => this.admitted(admission));
    }
    while (this.arrivals.length > 0) {
      const arrivals = this.arrivals;
      this.arrivals = emptyList();
      for (const arrival of arrivals) {
        if (arrival.shim.live) this.attempt(arrival.shim, 0, () => this.carryOut(arrival));
      }
    }
    const { rejected } = this;
    if (rejected.length === 0) return;
    this.rejected = emptyList();
    for (const each of rejected) {
      if (each.shim.live) this.attempt(each.shim, each.origin, () => this.turnAway(each));
    }
  }

  /** An error affects only the process that the message came from, or the client that it is about. */
  private attempt(shim: Shim, origin: number, action: () => void): void {
    try {
      action();
    } catch (error) {
      blame(this.host, origin, shim.connection, error);
    }
  }

  /** The sender gets an error if it awaits a reply; if the message was a reply, the caller gets NoReply. */
  private turnAway(rejected: Rejected): void {
    const { shim, awaited, handles, handleIds } = rejected;
    this.report(rejected);
    if (awaited >= 0) {
      shim.pendingCalls--;
      noReply(shim, awaited);
    }
    const isAwaited = isStill(shim, handles.at(-1), handleIds.at(-1));
    if (rejected.wantsReply && isAwaited) refuseForeign(shim, rejected);
    /* a consumed one-shot handle may have been reused for another message since */
    shim.peer.releaseAll(handles.filter((handle, i) => isStill(shim, handle, handleIds[i])));
  }

  private report({ shim, rejection, why, fields, sender, origin }: Rejected): void {
    const { host, connection } = shim;
    const culprit = host.directory.numbered.get(sender);
    if (rejection === Rejection.NoRoom) {
      if (culprit !== undefined) shim.backlog.report(culprit, why);
      return;
    }
    if (rejection === Rejection.Denied) {
      if (culprit !== undefined) noteDenial(host, culprit, fields!);
      return;
    }
    const receiver = connection.uniqueName;
    const text = `a message of a native peer ${why}`;
    const peer = [...host.directory.numbered.values()].find(({ process }) => process === origin);
    if (peer === undefined) host.log('notice', text, { process: origin, receiver });
    else host.diagnostics.report(peer, 'notice', text, () => ({ receiver }));
  }

  private carryOut({ shim, node, order }: Arrival): void {
    if (order.type === 'ReleaseName') this.releaseName(shim, node, order.isQueued, order.name);
    else if (order.type === 'Welcome') this.welcome(shim, order.number);
    else if (order.type === 'Dealt') this.host.continueWith(shim);
    else if (order.type === 'BecomeMonitor') this.becomeMonitor(shim);
    else if (order.type === 'Disconnect') this.host.close(shim, order.reason);
  }

  /**
   * The connection leaves the bus and keeps the node at which copies arrive: all handles to its other nodes die.
   */
  private becomeMonitor(shim: Shim): void {
    const { peer } = shim;
    shim.isMonitor = true;
    shim.isWatching = true;
    const objects: (Node | Handle)[] = [];
    for (let node = peer.firstNode; node !== null; node = node.nextOwned) {
      if (node.context !== CAPTURE) objects.push(node);
    }
    for (let handle = peer.firstHandle; handle !== null; handle = handle.nextOwned) {
      objects.push(handle);
    }
    peer.releaseAll(objects);
    shim.pendingCalls = 0;
    this.host.continueWith(shim);
  }

  /** The registry is gone, so nobody can admit this client. */
  refused(shim: Shim): void {
    this.admissions.push({ shim, answer: undefined, handles: [] });
  }

  /** The driver, in another process, has admitted a client or refused it. */
  private admitted({ shim, answer, handles }: Admission): void {
    const [driver, registry] = handles;
    if (answer?.type === 'Admitted' && driver !== undefined && registry !== undefined) {
      shim.attach(shim.connection, driver, registry);
      this.host.continueWith(shim);
      return;
    }
    const reason = answer === undefined || answer.type === 'Admitted' ? '' : answer.reason;
    this.host.close(shim, `the registry did not admit it: ${reason}`);
  }

  private welcome(shim: Shim, number: number): void {
    shim.senderField.setNumber(number);
    this.host.entrance.lobby.leave(shim.fd);
    /* a registry in another process has announced the connection before this */
    this.host.registry.catchUp();
    shim.connection = this.host.directory.numbered.get(number) ?? shim.connection;
    shim.connection.payer = shim.peer;
    this.host.registry.joined(shim);
  }

  /**
   * Messages of this process to the name are in the outbox already. Those on their way from other processes were sent
   * while the name led here, too, and are still delivered.
   */
  private releaseName(shim: Shim, node: ShimNode, requeue: boolean, name: string): void {
    shim.peer.drain(node);
    if (!requeue) return;
    const { node: next, handle } = shim.peer.createNode();
    next.context = NAME_NODE;
    const message = controlMessage(this.host.control, Control.NameNode, { name });
    message.addTransfer(handle);
    shim.peer.send(shim.driver.handle, message);
    shim.peer.release(handle);
  }
}

/** Whether `handle` still is the one with this `id`: ids of a peer's handles are never reused. */
function isStill(shim: Shim, handle: Handle | undefined, id: number | undefined): boolean {
  return handle !== undefined && handle.live && handle.owner === shim.peer && handle.id === id;
}
