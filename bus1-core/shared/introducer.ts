import { ChannelError } from '../errors.js';
import {
  closeFd,
  createMemfd,
  Doorbell,
  Seal,
  sealMemfd,
  socketPair,
  SystemError,
} from '../linux/index.js';
import type { AuthorityMessage, ChannelMessage } from './control-messages.js';
import { channelBytes } from './layout.js';
import type { MemberRecord } from './member-record.js';

/** Frames that are queued for a process that does not read: beyond this, no process is introduced to it. */
const FRAMES_WAITING_MAX = 256;

/** What an introducer needs of its authority. */
export interface IntroducerContext {
  readonly membersById: ReadonlyMap<number, MemberRecord>;
  /** number of the newest member */
  readonly lastId: number;
  tell(member: MemberRecord, message: AuthorityMessage, fds?: readonly number[]): void;
}

export interface IntroducerOptions {
  readonly ringBytes: number;
  readonly channelsPerMemberMax: number;
  readonly channelsPerUidMax: number;
  /** introductions that processes of one user have asked for, and that are not complete */
  readonly pendingPerUidMax: number;
  /** only trusted processes are introduced when the descriptors below this one are in use */
  readonly descriptorMax: number;
}

/** A pair of processes, and what the requester is sent once the target reads the channel. */
interface Introduction {
  readonly requester: MemberRecord;
  readonly target: MemberRecord;
  readonly fds: readonly number[];
  readonly message: ChannelMessage;
}

/** Makes the channels of a domain, and hands out both ends of each. */
export class Introducer {
  private readonly context: IntroducerContext;
  private readonly options: IntroducerOptions;
  private readonly pending = new Map<string, Introduction>();

  constructor(context: IntroducerContext, options: IntroducerOptions) {
    this.context = context;
    this.options = options;
  }

  /**
   * The target gets the channel first: the requester must not send before the other side reads.
   *
   * @throws ChannelError when the requester asks too often
   */
  introduce(requester: MemberRecord, peer: number, isForRoot: boolean): void {
    const target = this.context.membersById.get(peer);
    if (target === undefined || target === requester) return this.refuseUnknown(requester, peer);
    if (this.isPending(requester, target)) return;
    /* a member asks again only after its channel was closed: the other side will see that, if it has not yet */
    if (requester.peers.has(peer) && !requester.mayRepeat()) {
      throw new ChannelError('it has closed too many channels and asks for new ones');
    }
    const obstacle = this.obstacle(requester, target);
    if (obstacle !== undefined) return this.refuse(requester, peer, obstacle);
    const isOfTrusted = requester.isTrusted || target.isTrusted;
    const ends = this.tryMakeChannel(isOfTrusted);
    if (ends === undefined) {
      return this.refuse(requester, peer, 'the authority has run out of descriptors');
    }
    this.handOut(requester, target, ends, isForRoot);
  }

  /** The target now reads the channel. */
  complete(target: MemberRecord, requesterId: number): void {
    const introduction = this.take(target, requesterId);
    if (introduction === undefined) return;
    const { requester, fds, message } = introduction;
    this.context.tell(requester, message, [...fds, target.pageFd]);
    closeAll(fds);
  }

  /** The target has no room for the channel. */
  cancel(target: MemberRecord, requesterId: number): void {
    const introduction = this.take(target, requesterId);
    if (introduction === undefined) return;
    const { requester, fds } = introduction;
    closeAll(fds);
    requester.peers.delete(target.id);
    target.peers.delete(requesterId);
    this.refuse(requester, target.id, 'that process has no room for a channel');
  }

  /** Drops pending introductions of a process that is no longer a member. */
  forget(member: MemberRecord): void {
    for (const [key, { requester, target, fds }] of this.pending) {
      if (target !== member && requester !== member) continue;
      closeAll(fds);
      this.pending.delete(key);
      if (target === member) this.refuse(requester, member.id, 'the process is gone');
    }
  }

  close(): void {
    for (const { fds } of this.pending.values()) closeAll(fds);
    this.pending.clear();
  }

  private handOut(
    requester: MemberRecord,
    target: MemberRecord,
    { memory, ofTarget, ofRequester }: ChannelEnds,
    isForRoot: boolean,
  ): void {
    requester.peers.add(target.id);
    target.peers.add(requester.id);
    const message = (of: MemberRecord, isFirst: boolean, root: ChannelMessage['root']) =>
      of.channelMessage(this.options.ringBytes, isFirst, isForRoot ? root : 'none');
    this.pending.set(keyOf(target, requester.id), {
      requester,
      target,
      fds: [memory, ...ofRequester],
      message: message(target, false, 'from-peer'),
    });
    this.context.tell(target, message(requester, true, 'to-peer'), [
      memory,
      ...ofTarget,
      requester.pageFd,
    ]);
    closeAll(ofTarget);
  }

  private isPending(requester: MemberRecord, target: MemberRecord): boolean {
    return (
      this.pending.has(keyOf(target, requester.id)) || this.pending.has(keyOf(requester, target.id))
    );
  }

  /** Why the two cannot be introduced now. */
  private obstacle(requester: MemberRecord, target: MemberRecord): string | undefined {
    const { channelsPerMemberMax: max, channelsPerUidMax, pendingPerUidMax } = this.options;
    if (requester.peers.size >= max || target.peers.size >= max) {
      return `a process may have at most ${max} channels`;
    }
    const { uid } = requester.credentials;
    if (requester.isTrusted || target.isTrusted) return undefined;
    if (target.socket.waitingCount >= FRAMES_WAITING_MAX) return 'that process does not read';
    if (this.countPending(uid) >= pendingPerUidMax) {
      return `uid ${uid} already has ${pendingPerUidMax} pending introductions`;
    }
    if (uid === target.credentials.uid || this.countChannels(target, uid) < channelsPerUidMax) {
      return undefined;
    }
    return `a process may have at most ${channelsPerUidMax} channels to processes of another user`;
  }

  private countPending(uid: number): number {
    let count = 0;
    for (const { requester } of this.pending.values()) {
      if (requester.credentials.uid === uid) count++;
    }
    return count;
  }

  private countChannels(target: MemberRecord, uid: number): number {
    let count = 0;
    for (const peer of target.peers) {
      if (this.context.membersById.get(peer)?.credentials.uid === uid) count++;
    }
    return count;
  }

  /** The kernel hands out the lowest free descriptor: so a high one tells that few are left. */
  private tryMakeChannel(isOfTrusted: boolean): ChannelEnds | undefined {
    try {
      const ends = makeChannel(this.options.ringBytes);
      if (isOfTrusted || ends.memory < this.options.descriptorMax) return ends;
      closeAll([ends.memory, ...ends.ofTarget, ...ends.ofRequester]);
      return undefined;
    } catch (error) {
      if (error instanceof SystemError) return undefined;
      throw error;
    }
  }

  /** Undefined when the requester has gone meanwhile, or when there never was one. */
  private take(target: MemberRecord, requesterId: number): Introduction | undefined {
    const key = keyOf(target, requesterId);
    const introduction = this.pending.get(key);
    this.pending.delete(key);
    return introduction;
  }

  /** A number that was never assigned to a process has been made up by the requester. */
  private refuseUnknown(requester: MemberRecord, peer: number): void {
    const isInvented = peer === 0 || peer > this.context.lastId || peer === requester.id;
    const reason = 'there is no such process in the domain';
    this.context.tell(requester, { kind: 'refused', peer, reason, isInvented });
  }

  private refuse(member: MemberRecord, peer: number, reason: string): void {
    this.context.tell(member, { kind: 'refused', peer, reason });
  }
}

function keyOf(target: MemberRecord, requesterId: number): string {
  return `${target.id}:${requesterId}`;
}

function closeAll(fds: readonly number[]): void {
  for (const fd of fds) closeFd(fd);
}

/** The descriptors of a new channel. */
interface ChannelEnds {
  /** for both rings */
  readonly memory: number;
  /** of each side: the doorbell to wait at, that to ring, and a socket */
  readonly ofTarget: readonly number[];
  readonly ofRequester: readonly number[];
}

/** @throws SystemError */
function makeChannel(ringBytes: number): ChannelEnds {
  const opened: number[] = [];
  const noted = (pair: [number, number]): [number, number] => {
    opened.push(...pair);
    return pair;
  };
  try {
    const memory = createMemfd('bus1-channel', channelBytes(ringBytes));
    opened.push(memory);
    sealMemfd(memory, Seal.Shrink | Seal.Grow | Seal.Seal);
    const [bellOfTarget, bellToTarget] = noted(Doorbell.makePair());
    const [bellOfRequester, bellToRequester] = noted(Doorbell.makePair());
    const [socketOfTarget, socketOfRequester] = noted(socketPair());
    return {
      memory,
      ofTarget: [bellOfTarget, bellToRequester, socketOfTarget],
      ofRequester: [bellOfRequester, bellToTarget, socketOfRequester],
    };
  } catch (error) {
    closeAll(opened);
    throw error;
  }
}
