import { Subject } from 'rxjs';
import type { NewChannel, Node, Trace } from '#core/index.js';
import {
  arrivalOf,
  Control,
  encode,
  readControl,
  type FieldsIn,
} from '#bridge/registry/control-message.js';
import { ReleaseNameReply, RequestNameReply } from '#bridge/registry/name-queue.js';
import { codeIn } from './method-call.js';
import type { ArrivedMessage, HandleContext, NodeContext, OwnNode } from './contexts.js';
import type { DriverClient } from './driver-client.js';
import type { CallTaker } from './incoming-call.js';
import { ReceivingNode } from './receiving-node.js';
import type { Signal, SignalTaker } from './signal.js';

/** How to ask for a name: D-Bus Specification, "org.freedesktop.DBus.RequestName". */
export interface NameFlags {
  /** another process that asks with `replaceExisting` may take the name over */
  readonly allowReplacement?: boolean | undefined;
  readonly replaceExisting?: boolean | undefined;
  /** do not wait for the name if it is taken */
  readonly doNotQueue?: boolean | undefined;
}

export { ReleaseNameReply, RequestNameReply };

/** The names that this process has requested. Each has a node, at which messages to the name arrive. */
export class OwnNames {
  /** names that this process has become the owner of, and names that it has lost */
  readonly acquired = new Subject<string>();
  readonly lost = new Subject<string>();
  private readonly driver: DriverClient;
  private readonly taker: CallTaker & SignalTaker;

  constructor(driver: DriverClient, taker: CallTaker & SignalTaker) {
    this.driver = driver;
    this.taker = taker;
  }

  /** @throws DBusError, ClientError */
  async request(name: string, flags: NameFlags): Promise<RequestNameReply> {
    const { node, handle } = this.openNode();
    try {
      const asked = this.driver.call(
        'RequestName',
        'su',
        [name, bitsOf(flags)],
        (reply) => codeIn(reply, RequestNameReply),
        [handle],
      );
      this.driver.member.peer.release(handle);
      return await asked;
    } catch (error) {
      this.closeNode(node);
      throw error;
    }
  }

  /** @throws DBusError, ClientError */
  requestSync(name: string, flags: NameFlags): RequestNameReply {
    const { node, handle } = this.openNode();
    try {
      const body = [name, bitsOf(flags)];
      const reply = this.driver.callSync('RequestName', 'su', body, [handle]);
      return codeIn(reply, RequestNameReply);
    } catch (error) {
      this.closeNode(node);
      throw error;
    } finally {
      if (this.driver.member.isOpen) this.driver.member.peer.release(handle);
    }
  }

  release(name: string): Promise<ReleaseNameReply> {
    return this.driver.call('ReleaseName', 's', [name], (reply) => codeIn(reply, ReleaseNameReply));
  }

  releaseSync(name: string): ReleaseNameReply {
    return codeIn(this.driver.callSync('ReleaseName', 's', [name]), ReleaseNameReply);
  }

  /** A signal from the bus itself. */
  note({ member, body }: Signal): void {
    const name = String(body[0]);
    if (name.startsWith(':')) return; // the unique name, which is not requested
    if (member === 'NameAcquired') this.acquired.next(name);
    else if (member === 'NameLost') this.lost.next(name);
  }

  complete(): void {
    this.acquired.complete();
    this.lost.complete();
  }

  /** Releases the node of a name; if the bus wants another for a later ownership, sends that. */
  exchange(node: Node, { isQueued, name }: FieldsIn<'ReleaseName'>): void {
    const { member } = this.driver;
    if (!member.isOpen) return;
    /* messages that were sent while the name led here may still arrive */
    if (node.live) member.peer.drain(node);
    if (!isQueued) return;
    const { handle } = this.openNode();
    const bytes = encode(Control.NameNode, { name });
    member.calls.sendControl(this.driver.target, bytes, [handle], null);
    member.peer.release(handle);
  }

  private openNode(): NewChannel<NodeContext, HandleContext> {
    const { member } = this.driver;
    member.mustBeOpen();
    const opened = member.peer.createNode();
    opened.node.context = new NameNode(this, this.driver, this.taker, opened.node);
    return opened;
  }

  private closeNode(node: OwnNode): void {
    const { member } = this.driver;
    if (!node.live || !member.isOpen) return;
    node.context?.unreachable();
    member.peer.release(node);
  }
}

class NameNode extends ReceivingNode {
  protected override readonly isName = true;
  private readonly names: OwnNames;
  private readonly node: Node;
  private isOver = false;

  constructor(names: OwnNames, driver: DriverClient, taker: CallTaker & SignalTaker, node: Node) {
    super(driver.member, taker);
    this.names = names;
    this.node = node;
    this.member.hold();
  }

  override unreachable(): void {
    if (!this.isOver) this.member.unhold();
    this.isOver = true;
  }

  protected override acceptControl(message: ArrivedMessage, trace: Trace): void {
    const { member } = this;
    const order = readControl('name node', arrivalOf(message), member.isOfBus(message.origin));
    super.acceptControl(message, trace);
    if (order === undefined) return;
    member.arrivals.push({ isReply: false, deal: () => this.names.exchange(this.node, order) });
  }
}

function bitsOf({ allowReplacement, replaceExisting, doNotQueue }: NameFlags): number {
  return (
    (allowReplacement === true ? 1 : 0) |
    (replaceExisting === true ? 2 : 0) |
    (doNotQueue === true ? 4 : 0)
  );
}
