import type { Trace } from '#core/index.js';
import { ControlCode, parseControl } from '#bridge/registry/control-message.js';
import { decodeIntroduction } from '#bridge/registry/introduction.js';
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
    const { code, text } = parseControl(message.copyBytes());
    super.acceptControl(message, trace);
    const { shared, senders, arrivals } = this.member;
    if (shared.identityOf(message.origin)?.isTrusted !== true) return;
    if (code === ControlCode.Introduce) {
      senders.introduce(decodeIntroduction(text));
    } else if (code === ControlCode.Strangers) {
      senders.takeStrangers(text === '1');
    } else if (code === ControlCode.Disconnect) {
      const reason = `the bus has disconnected this process: ${text}`;
      arrivals.push({ isReply: false, deal: () => this.onDisconnect(reason) });
    }
  }
}
