import type { Trace } from '#core/index.js';
import { arrivalOf, readControl } from '#bridge/registry/control-message.js';
import type { ArrivedMessage } from './contexts.js';
import type { CallTaker } from './incoming-call.js';
import type { Member } from './member.js';
import { ReceivingNode } from './receiving-node.js';
import type { SignalTaker } from './signal.js';

/** The context of the node at which this process's unique name is reached. */
export class Inbox extends ReceivingNode {
  protected override readonly isName = true;
  private readonly onDisconnect: (reason: string) => void;

  constructor(
    member: Member,
    taker: CallTaker & SignalTaker,
    onDisconnect: (reason: string) => void,
  ) {
    super(member, taker);
    this.onDisconnect = onDisconnect;
  }

  /** A control message of the bridge. From any other process it has no effect. */
  protected override acceptControl(message: ArrivedMessage, trace: Trace): void {
    const { senders, arrivals } = this.member;
    const order = readControl('inbox', arrivalOf(message), this.member.isOfBus(message.origin));
    super.acceptControl(message, trace);
    if (order?.type === 'Introduce') {
      senders.introduce(order);
    } else if (order?.type === 'Strangers') {
      senders.takeStrangers(order.areWelcome);
    } else if (order?.type === 'Disconnect') {
      const reason = `the bus has disconnected this process: ${order.reason}`;
      arrivals.push({ isReply: false, deal: () => this.onDisconnect(reason) });
    }
  }
}
