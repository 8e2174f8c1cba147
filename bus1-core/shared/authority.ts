import {
  acceptConnection,
  closeFd,
  createMemfd,
  Epoll,
  EPOLLIN,
  EPOLLOUT,
  errnoName,
  EventFd,
  geteuid,
  listenUnix,
  peerCredentials,
  peerPidFd,
  Seal,
  sealMemfd,
  socketPair,
  SystemError,
  type PeerCredentials,
} from '../linux/index.js';
import { parseMemberMessage, type ChannelMessage, type MemberMessage } from './control-messages.js';
import { ControlSocket } from './control-socket.js';
import { channelBytes, RING_BYTES_DEFAULT } from './layout.js';
import { Member } from './member.js';
import { isPage } from './page.js';
import { ChannelError } from './protocol-error.js';

export interface AuthorityOptions {
  /** of each direction of a channel, a power of two */
  readonly ringBytes?: number;
  readonly membersMax?: number;
  readonly membersPerUidMax?: number;
  readonly channelsPerMemberMax?: number;
  /** whether a process may send on behalf of other users; by default root and the authority's own user */
  readonly mayNameAccounts?: (credentials: PeerCredentials) => boolean;
  /** told once why a member was turned away or expelled */
  readonly onDiagnostic?: (text: string) => void;
}

export interface AdmitOptions {
  readonly isRoot?: boolean;
  readonly isTrusted?: boolean;
}

const DEFAULTS = { membersMax: 1024, membersPerUidMax: 256, channelsPerMemberMax: 1024 };

/** A pair of processes: what the second of them is given once the first looks at the channel. */
interface Introduction {
  readonly requester: Member;
  readonly fds: readonly number[];
  readonly message: ChannelMessage;
}

/**
 * Admits processes to a domain and introduces them to each other. It makes the channels and hands them out, and is not
 * needed to use them. It runs in some process of the domain, from that process's loop: `fd` is readable when `dispatch`
 * has something to do.
 */
export class Authority {
  private readonly epoll = new Epoll();
  private readonly options: AuthorityOptions & typeof DEFAULTS & { ringBytes: number };
  private readonly members = new Map<number, Member>();
  private readonly membersByFd = new Map<number, Member>();
  private readonly membersById = new Map<number, Member>();
  private readonly introductions = new Map<string, Introduction>();
  private readonly listening: number[] = [];
  /** those of them that nobody is accepted on for now, for want of descriptors or memory */
  private readonly paused = new Set<number>();
  private lastId = 0;
  private rootId = 0;
  /** has been admitted, and has not said hello yet: nobody is welcomed before it */
  private rootToCome: Member | null = null;
  private readonly early: Member[] = [];

  constructor(options: AuthorityOptions = {}) {
    this.options = { ringBytes: RING_BYTES_DEFAULT, ...DEFAULTS, ...options };
  }

  /** Readable when `dispatch` has something to do. */
  get fd(): number {
    return this.epoll.fd;
  }

  get memberCount(): number {
    return this.membersById.size;
  }

  /** What `SO_PEERCRED`, `SO_PEERGROUPS` and so on are to be asked of: the socket of a member, while it is one. */
  socketOf(process: number): number | undefined {
    return this.membersById.get(process)?.socket.fd;
  }

  /** Accepts members on a unix socket; returns its descriptor. @throws SystemError */
  listen(path: string, mode?: number): number {
    const fd = listenUnix(path, mode === undefined ? {} : { mode });
    this.listenOn(fd);
    return fd;
  }

  /** The same on a socket that listens already. */
  listenOn(fd: number): void {
    this.listening.push(fd);
    this.epoll.add(fd, EPOLLIN);
  }

  /**
   * Takes over a connected socket of somebody who wants to be a member. The one that `isRoot` has the root node; there
   * can be one such member. All others are told which members are trusted: the one with the root, and those that were
   * started by whoever calls this.
   *
   * @throws SystemError: then `fd` is still the caller's
   */
  admit(fd: number, { isRoot = false, isTrusted = isRoot }: AdmitOptions = {}): void {
    const credentials = peerCredentials(fd);
    const pidFd = peerPidFd(fd) ?? -1;
    const isOurs = credentials.uid === 0 || credentials.uid === geteuid();
    const namesAccounts = this.options.mayNameAccounts?.(credentials) ?? isOurs;
    const member = new Member(new ControlSocket(fd), credentials, namesAccounts, isRoot, isTrusted);
    this.members.set(fd, member);
    if (isRoot) this.rootToCome = member;
    this.watch(fd, member);
    member.pidFd = pidFd;
    if (pidFd >= 0) this.watch(pidFd, member);
    if (this.members.size > this.options.membersMax) this.expel(member, 'too many members');
    else if (this.countOf(credentials.uid) > this.options.membersPerUidMax) {
      this.expel(member, `too many members of uid ${credentials.uid}`);
    }
  }

  /**
   * Does what there is to do, without waiting. When the process has run out of descriptors nobody new is accepted, and
   * `fd` does not become readable for that: each call tries again, so call this when some were closed.
   */
  dispatch(): void {
    for (const fd of this.paused) this.accept(fd);
    const count = this.epoll.wait(0);
    for (let i = 0; i < count; i++) this.handle(this.epoll.fdAt(i));
  }

  /** Stops introducing. Channels that were made go on. */
  close(): void {
    for (const { fds } of this.introductions.values()) for (const fd of fds) closeFd(fd);
    this.introductions.clear();
    for (const member of this.members.values()) member.close();
    for (const fd of this.listening) closeFd(fd);
    this.members.clear();
    this.membersById.clear();
    this.membersByFd.clear();
    this.epoll.close();
  }

  private watch(fd: number, member: Member): void {
    this.membersByFd.set(fd, member);
    this.epoll.add(fd, EPOLLIN);
  }

  private countOf(uid: number): number {
    let count = 0;
    for (const { credentials } of this.members.values()) if (credentials.uid === uid) count++;
    return count;
  }

  private handle(fd: number): void {
    if (this.listening.includes(fd)) return this.accept(fd);
    const member = this.membersByFd.get(fd);
    if (member === undefined) return;
    if (fd === member.pidFd) return this.remove(member);
    try {
      member.socket.flush();
      this.epoll.modify(fd, member.socket.hasWaiting ? EPOLLIN | EPOLLOUT : EPOLLIN);
      this.read(member);
    } catch (error) {
      this.expel(member, error instanceof Error ? error.message : String(error));
    }
  }

  private accept(listening: number): void {
    const error = this.acceptAll(listening);
    const isShort = error !== 'EAGAIN' && error !== 'ECONNABORTED';
    if (isShort === this.paused.has(listening)) return;
    if (isShort) this.pause(listening, error);
    else this.resume(listening);
  }

  /** Returns what the last attempt has ended with. */
  private acceptAll(listening: number): string {
    let fd = acceptConnection(listening);
    for (; fd >= 0; fd = acceptConnection(listening)) {
      try {
        this.admit(fd);
      } catch (error) {
        closeFd(fd);
        if (error instanceof SystemError) return error.code;
        throw error;
      }
    }
    return errnoName(-fd);
  }

  /** Who connects waits in the kernel, and the socket must not keep us awake. */
  private pause(listening: number, error: string): void {
    this.options.onDiagnostic?.(`no new members are accepted for now: ${error}`);
    this.paused.add(listening);
    this.epoll.remove(listening);
  }

  private resume(listening: number): void {
    this.paused.delete(listening);
    this.epoll.add(listening, EPOLLIN);
  }

  private read(member: Member): void {
    while (member.socket.open) {
      const frame = member.socket.receive();
      if (frame === 'empty') return;
      if (frame === 'closed') return this.remove(member);
      try {
        if (frame.hasLostDescriptors) throw new ChannelError('there was no room for its page');
        this.act(member, parseMemberMessage(frame.message), frame.fds);
      } finally {
        for (const fd of frame.fds) closeFd(fd);
      }
    }
  }

  /** Descriptors that are kept are taken out of `fds`. */
  private act(member: Member, message: MemberMessage, fds: number[]): void {
    if (message.kind === 'hello') return this.welcome(member, message, fds);
    if (fds.length > 0 || member.id === 0) throw new ChannelError('a request out of place');
    if (message.kind === 'introduce') this.introduce(member, message.peer, false);
    else if (message.kind === 'ready') this.complete(member, message.peer);
    else this.cancel(member, message.peer);
  }

  private welcome(
    member: Member,
    { maxima }: Extract<MemberMessage, { kind: 'hello' }>,
    fds: number[],
  ): void {
    if (member.pageFd >= 0 || fds.length !== 1 || !isPage(fds[0])) {
      throw new ChannelError('a hello without a sealed page, or a second one');
    }
    member.pageFd = fds.pop()!;
    member.maxima = maxima;
    if (this.rootToCome !== null && !member.isRoot) {
      this.early.push(member);
      return;
    }
    this.enrol(member);
    if (member.isRoot) this.stopWaitingForRoot();
  }

  private stopWaitingForRoot(): void {
    this.rootToCome = null;
    for (const waiting of this.early.splice(0)) if (waiting.socket.open) this.enrol(waiting);
  }

  private enrol(member: Member): void {
    member.id = ++this.lastId;
    this.membersById.set(member.id, member);
    if (member.isRoot) this.rootId = member.id;
    const root = member.isRoot ? 0 : this.rootId;
    this.tell(member, { kind: 'welcome', id: member.id, root });
    if (root !== 0) this.introduce(member, root, true);
  }

  /** The one who is asked for gets the channel first: the other must not send where nobody looks yet. */
  private introduce(requester: Member, peer: number, isForRoot: boolean): void {
    const target = this.membersById.get(peer);
    if (target === undefined || target === requester) {
      return this.refuse(requester, peer, 'there is no such process in the domain');
    }
    if (requester.peers.has(peer)) return;
    const max = this.options.channelsPerMemberMax;
    if (requester.peers.size >= max || target.peers.size >= max) {
      return this.refuse(requester, peer, `a process may have ${max} channels`);
    }
    const { ringBytes } = this.options;
    const fds = this.tryMakeChannel(ringBytes);
    if (fds === undefined) {
      return this.refuse(requester, peer, 'the authority has run out of descriptors');
    }
    requester.peers.add(peer);
    target.peers.add(requester.id);
    const [memory, bellOfTarget, bellOfRequester, socketOfTarget, socketOfRequester] = fds;
    const message = (of: Member, isFirst: boolean, root: ChannelMessage['root']) =>
      of.channelMessage(ringBytes, isFirst, isForRoot ? root : 'none');
    this.tell(target, message(requester, true, 'to-peer'), [
      memory,
      bellOfTarget,
      bellOfRequester,
      socketOfTarget,
      requester.pageFd,
    ]);
    closeFd(socketOfTarget);
    this.introductions.set(`${target.id}:${requester.id}`, {
      requester,
      fds: [memory, bellOfRequester, bellOfTarget, socketOfRequester],
      message: message(target, false, 'from-peer'),
    });
  }

  private tryMakeChannel(ringBytes: number): number[] | undefined {
    try {
      return makeChannel(ringBytes);
    } catch (error) {
      if (error instanceof SystemError) return undefined;
      throw error;
    }
  }

  private complete(target: Member, requesterId: number): void {
    const introduction = this.takeIntroduction(target, requesterId);
    if (introduction === undefined) return;
    const { requester, fds, message } = introduction;
    this.tell(requester, message, [...fds, target.pageFd]);
    for (const fd of fds) closeFd(fd);
  }

  /** The one who was asked for has no room for the channel. */
  private cancel(target: Member, requesterId: number): void {
    const introduction = this.takeIntroduction(target, requesterId);
    if (introduction === undefined) return;
    const { requester, fds } = introduction;
    for (const fd of fds) closeFd(fd);
    requester.peers.delete(target.id);
    target.peers.delete(requesterId);
    this.refuse(requester, target.id, 'that process has no room for a channel');
  }

  /** Undefined when the requester has gone meanwhile, or when there never was one. */
  private takeIntroduction(target: Member, requesterId: number): Introduction | undefined {
    const key = `${target.id}:${requesterId}`;
    const introduction = this.introductions.get(key);
    this.introductions.delete(key);
    return introduction;
  }

  private refuse(member: Member, peer: number, reason: string): void {
    this.tell(member, { kind: 'refused', peer, reason });
  }

  private tell(member: Member, message: object, fds: readonly number[] = []): void {
    if (!member.socket.open) return;
    if (!member.socket.send(message, fds)) return this.expel(member, 'it does not read');
    if (member.socket.hasWaiting) this.epoll.modify(member.socket.fd, EPOLLIN | EPOLLOUT);
  }

  private expel(member: Member, reason: string): void {
    const { pid, uid } = member.credentials;
    this.options.onDiagnostic?.(`process ${pid} of uid ${uid} was expelled: ${reason}`);
    this.remove(member);
  }

  private remove(member: Member): void {
    if (!this.members.delete(member.socket.fd)) return;
    for (const fd of [member.socket.fd, member.pidFd]) {
      if (fd >= 0) this.membersByFd.delete(fd);
    }
    for (const [key, { requester, fds }] of this.introductions) {
      const isTarget = key.startsWith(`${member.id}:`);
      if (!isTarget && requester !== member) continue;
      for (const fd of fds) closeFd(fd);
      this.introductions.delete(key);
      if (isTarget) this.refuse(requester, member.id, 'the process is gone');
    }
    member.close();
    for (const listening of this.paused) this.resume(listening);
    if (member === this.rootToCome) this.stopWaitingForRoot();
    if (member.id === 0) return;
    this.membersById.delete(member.id);
    if (this.rootId === member.id) this.rootId = 0;
    for (const other of this.membersById.values()) {
      other.peers.delete(member.id);
      this.tell(other, { kind: 'gone', peer: member.id });
    }
  }
}

/** Memory for both rings, a doorbell and a socket for each side. @throws SystemError */
function makeChannel(ringBytes: number): number[] {
  const fds: number[] = [];
  try {
    fds.push(createMemfd('bus1-channel', channelBytes(ringBytes)));
    sealMemfd(fds[0], Seal.Shrink | Seal.Grow | Seal.Seal);
    fds.push(new EventFd().fd);
    fds.push(new EventFd().fd);
    fds.push(...socketPair());
    return fds;
  } catch (error) {
    for (const fd of fds) closeFd(fd);
    throw error;
  }
}
