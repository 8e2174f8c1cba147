import type { Handle } from '#core/index.js';
import { Control, encode } from '#bridge/registry/control-message.js';
import { canUseSocket, PendingAdmission } from './admission.js';
import { Bus, BusEvents } from './bus.js';
import type { DriverClient } from './driver-client.js';
import { HeldHandle } from './held-handle.js';
import { Inbox } from './inbox.js';
import { Member, type MemberOptions } from './member.js';
import { reachBus, type BusChoice } from './reach.js';

export interface JoinOptions extends MemberOptions, BusChoice {
  /** for all of it; 10 s by default */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const JOIN_TIMEOUT_MS = 10_000;

/**
 * Joins the domain of a bus: from then on this process is a connection of that bus, without a socket.
 *
 * @throws ClientError `JoinFailed`, DBusError, and the reason of an aborted `signal`
 */
export async function join(options: JoinOptions = {}): Promise<Bus> {
  options.signal?.throwIfAborted();
  try {
    return await tryToJoin(options);
  } catch (error) {
    if (!canUseSocket(error, options)) throw error;
    return tryToJoin({ ...options, transport: 'socket' });
  }
}

async function tryToJoin(options: JoinOptions): Promise<Bus> {
  const { signal, timeoutMs = JOIN_TIMEOUT_MS } = options;
  const member = connect(options);
  try {
    await member.awaitAdmission(timeoutMs, signal);
    const entrance = new Joining(member);
    const driver = await new Promise<DriverClient>((resolve, reject) => {
      const pending = entrance.knock();
      pending.settles(resolve, reject);
      entrance.begin(pending, { timeoutMs, signal });
    });
    const name = await driver.call('Hello', '', [], ({ body }) => String(body[0]));
    return entrance.enter(driver, name);
  } catch (error) {
    member.close('this process could not join');
    throw error;
  }
}

/** Like `join`, blocking the thread. `signal` is ignored. */
export function joinSync(options: JoinOptions = {}): Bus {
  try {
    return tryToJoinSync(options);
  } catch (error) {
    if (!canUseSocket(error, options)) throw error;
    return tryToJoinSync({ ...options, transport: 'socket' });
  }
}

function tryToJoinSync(options: JoinOptions): Bus {
  const { timeoutMs = JOIN_TIMEOUT_MS } = options;
  const member = connect(options);
  try {
    member.awaitAdmissionSync(timeoutMs);
    const entrance = new Joining(member);
    const pending = entrance.knock();
    entrance.begin(pending, {});
    member.await(pending, timeoutMs, false);
    const driver = pending.result();
    return entrance.enter(driver, String(driver.callSync('Hello', '', []).body[0]));
  } catch (error) {
    member.close('this process could not join');
    throw error;
  }
}

function connect(options: JoinOptions): Member {
  return reachBus(options, (way) => new Member(way, options));
}

/** Turns a member of a domain into a connection of its bus. */
class Joining {
  private readonly member: Member;
  private readonly events: BusEvents;
  private readonly inbox: Handle;
  private readonly root: HeldHandle;

  constructor(member: Member) {
    this.member = member;
    this.events = new BusEvents(member);
    const { node, handle } = member.peer.createNode();
    node.context = new Inbox(member, this.events, (reason) => this.events.disconnect(reason));
    this.inbox = handle;
    this.root = new HeldHandle(member, member.shared.copyRoot(member.peer));
  }

  knock(): PendingAdmission {
    return new PendingAdmission(this.member);
  }

  begin(pending: PendingAdmission, options: Pick<JoinOptions, 'timeoutMs' | 'signal'>): void {
    const bytes = encode(Control.Admit, { takesDescriptors: true, credentials: undefined });
    const node = this.member.calls.sendControl(this.root, bytes, [this.inbox], pending);
    pending.begin(node, options);
    this.member.peer.release(this.inbox);
  }

  enter(driver: DriverClient, uniqueName: string): Bus {
    this.root.release();
    return Bus.create(driver, uniqueName, driver.target, this.events);
  }
}
