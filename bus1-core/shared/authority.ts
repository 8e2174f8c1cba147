import { ChannelError } from '../errors.js';
import {
  acceptConnection,
  closeFd,
  closeReceived,
  closeSocket,
  Epoll,
  EPOLLIN,
  EPOLLOUT,
  errnoName,
  executableOf,
  geteuid,
  getOpenFilesLimit,
  listenUnix,
  peerCredentials,
  peerGroups,
  peerPidFd,
  peerSecurityLabel,
  SystemError,
  type PeerCredentials,
} from '../linux/index.js';
import {
  parseMemberMessage,
  type AuthorityMessage,
  type MemberMessage,
} from './control-messages.js';
import { ControlSocket } from './control-socket.js';
import { describeProcess, Diagnostics } from './diagnostics.js';
import { Introducer, type IntroducerContext } from './introducer.js';
import { RING_BYTES_DEFAULT } from './layout.js';
import { MemberRecord } from './member-record.js';
import { isPage } from './page.js';

/** A process that wants to be a member, as the kernel describes the one that made the connection. */
export interface Applicant extends PeerCredentials {
  /** supplementary groups, ascending */
  readonly groups: readonly number[];
  readonly securityLabel: Uint8Array | undefined;
}

export interface AuthorityOptions {
  /** size of each direction of a channel, a power of two */
  readonly ringBytes?: number;
  readonly membersMax?: number;
  readonly membersPerUidMax?: number;
  readonly channelsPerMemberMax?: number;
  /** between one process and all processes of another user */
  readonly channelsPerUidMax?: number;
  /** whether a process may send on behalf of other users; by default root and the authority's own user */
  readonly mayNameAccounts?: (credentials: PeerCredentials) => boolean;
  /**
   * Whether a process that has connected to a listening socket may be a member: true, or why not. By default all may
   * that can connect.
   */
  readonly mayJoin?: (applicant: Applicant) => true | string;
  /** called once with the reason why a member was turned away or expelled */
  readonly onDiagnostic?: (text: string) => void;
}

export interface AdmitOptions {
  readonly isRoot?: boolean;
  readonly isTrusted?: boolean;
}

const DEFAULTS = {
  membersMax: 4096,
  membersPerUidMax: 256,
  channelsPerMemberMax: 1024,
  channelsPerUidMax: 128,
};
/** The descriptors that all members of one user have here are at most this part of what the process may open. */
const DESCRIPTORS_PART_MAX = 1 / 4;
/** Descriptors that this process has for each member: socket, pidfd, page, and one that it sends without a frame. */
const DESCRIPTORS_PER_MEMBER = 4;
/** A member sends one: that of its page. */
const RECEIVED_MAX = 1;
/**
 * Descriptors of an introduction that the target has not answered: the requester's four, and six in a frame for the
 * target.
 */
const DESCRIPTORS_PER_INTRODUCTION = 10;
/** Introductions that processes of one user have asked for, and that are not complete. */
const PENDING_PER_UID_MAX = 256;
/** Introductions leave the rest of what the process may open to everything else. */
const INTRODUCTIONS_PART_MAX = 3 / 4;

/** How long a new connection may take to say hello; checked when another one comes. */
const HELLO_TIMEOUT_MS = 10_000;
/** Connections that have not said hello, per user and in all: beyond that the oldest is closed. */
const EARLY_PER_UID_MAX = 32;
const EARLY_MAX = 512;
/** New connections accepted in one turn. */
const ACCEPTED_PER_TURN = 64;
/** A member for which more than this many `gone` messages wait unread is expelled. */
const UNSAID_MAX = 65_536;

/**
 * Admits processes to a domain and introduces them to each other. It makes the channels and hands them out, and is not
 * needed to use them. It runs in some process of the domain, from that process's loop: `fd` is readable when `dispatch`
 * has something to do.
 */
export class Authority implements IntroducerContext {
  private readonly epoll = new Epoll();
  private readonly options: AuthorityOptions & typeof DEFAULTS & { ringBytes: number };
  private readonly diagnostics: Diagnostics;
  private readonly introducer: Introducer;
  private readonly members = new Map<number, MemberRecord>();
  private readonly membersByFd = new Map<number, MemberRecord>();
  readonly membersById = new Map<number, MemberRecord>();
  /** connections that have not said hello; the oldest first */
  private readonly silent = new Set<MemberRecord>();
  private readonly listening: number[] = [];
  /** listening sockets paused because we are out of descriptors or memory */
  private readonly paused = new Set<number>();
  lastId = 0;
  private rootId = 0;
  /** the root's member, admitted but without a hello yet: no other member is welcomed before it */
  private rootToCome: MemberRecord | null = null;
  private readonly early: MemberRecord[] = [];

  constructor(options: AuthorityOptions = {}) {
    const { soft } = getOpenFilesLimit();
    const ofUid = soft * DESCRIPTORS_PART_MAX;
    const membersPerUidMax = Math.min(
      DEFAULTS.membersPerUidMax,
      Math.floor(ofUid / DESCRIPTORS_PER_MEMBER),
    );
    this.options = { ringBytes: RING_BYTES_DEFAULT, ...DEFAULTS, membersPerUidMax, ...options };
    this.diagnostics = new Diagnostics(options.onDiagnostic);
    this.introducer = new Introducer(this, {
      ...this.options,
      pendingPerUidMax: Math.min(
        PENDING_PER_UID_MAX,
        Math.floor(ofUid / DESCRIPTORS_PER_INTRODUCTION),
      ),
      descriptorMax: soft * INTRODUCTIONS_PART_MAX,
    });
  }

  /** Readable when `dispatch` has something to do. */
  get fd(): number {
    return this.epoll.fd;
  }

  get memberCount(): number {
    return this.membersById.size;
  }

  /** The socket of a member, to read `SO_PEERCRED`, `SO_PEERGROUPS` and so on from; undefined for any other process. */
  socketOf(process: number): number | undefined {
    return this.membersById.get(process)?.socket.fd;
  }

  /** Accepts members on a unix socket; returns its descriptor. @throws SystemError */
  listen(path: string, mode?: number): number {
    const fd = listenUnix(path, mode === undefined ? {} : { mode });
    this.listenOn(fd);
    return fd;
  }

  /** Accepts members on a socket that listens already. */
  listenOn(fd: number): void {
    this.listening.push(fd);
    this.epoll.add(fd, EPOLLIN);
  }

  /**
   * Takes over a connected socket of a process that wants to be a member. The one with `isRoot` has the root node;
   * there can be one such member. All others learn which members are trusted: the one with the root, and those
   * that the caller has marked as trusted.
   *
   * @throws SystemError: then `fd` is still the caller's
   */
  admit(fd: number, { isRoot = false, isTrusted = isRoot }: AdmitOptions = {}): void {
    const credentials = peerCredentials(fd);
    const pidFd = peerPidFd(fd) ?? -1;
    const isOurs = credentials.uid === 0 || credentials.uid === geteuid();
    const namesAccounts = this.options.mayNameAccounts?.(credentials) ?? isOurs;
    const socket = new ControlSocket(fd, RECEIVED_MAX);
    const member = new MemberRecord(socket, credentials, namesAccounts, isRoot, isTrusted);
    this.members.set(fd, member);
    if (isRoot) this.rootToCome = member;
    this.watch(fd, member);
    member.pidFd = pidFd;
    if (pidFd >= 0) this.watch(pidFd, member);
    this.silent.add(member);
    if (!isTrusted) this.limitSilent(credentials.uid);
  }

  /**
   * Processes what has arrived, without waiting. While the process is out of descriptors no new member is accepted,
   * and `fd` does not become readable for pending ones: each call tries again, so call this after some were closed.
   */
  dispatch(): void {
    for (const fd of this.paused) this.accept(fd);
    const count = this.epoll.wait(0);
    for (let i = 0; i < count; i++) this.handle(this.epoll.fdAt(i));
  }

  /** Stops introducing. Channels that were made go on. */
  close(): void {
    this.introducer.close();
    for (const member of this.members.values()) member.close();
    for (const fd of this.listening) closeFd(fd);
    this.members.clear();
    this.silent.clear();
    this.membersById.clear();
    this.membersByFd.clear();
    this.epoll.close();
  }

  private watch(fd: number, member: MemberRecord): void {
    this.membersByFd.set(fd, member);
    this.epoll.add(fd, EPOLLIN);
  }

  /** Connections that do not say hello must not keep others out: the oldest is closed for the newest. */
  private limitSilent(uid: number): void {
    let ofUid = 0;
    for (const { credentials, isTrusted } of this.silent) {
      if (!isTrusted && credentials.uid === uid) ofUid++;
    }
    const endMs = performance.now() - HELLO_TIMEOUT_MS;
    for (const member of this.silent) {
      if (member.isTrusted) continue;
      const isOverdue = member.sinceMs < endMs;
      const isOneTooMany = ofUid > EARLY_PER_UID_MAX && member.credentials.uid === uid;
      if (!isOverdue && !isOneTooMany && this.silent.size <= EARLY_MAX) continue;
      if (member.credentials.uid === uid) ofUid--;
      this.expel(
        member,
        isOverdue
          ? `it did not send hello within ${HELLO_TIMEOUT_MS} ms`
          : 'too many processes had sent no hello, it first among them',
      );
    }
  }

  /** Why there is no room for one more member; undefined when there is. */
  private crowding({ credentials }: MemberRecord): string | undefined {
    const { membersMax, membersPerUidMax } = this.options;
    if (this.members.size - this.silent.size > membersMax) return 'too many members';
    let ofUid = 0;
    for (const member of this.members.values()) {
      if (member.hasSaidHello && member.credentials.uid === credentials.uid) ofUid++;
    }
    if (ofUid <= membersPerUidMax) return undefined;
    return `too many members of uid ${credentials.uid}`;
  }

  private handle(fd: number): void {
    if (this.listening.includes(fd)) return this.accept(fd);
    const member = this.membersByFd.get(fd);
    if (member === undefined) return;
    if (fd === member.pidFd) return this.remove(member);
    try {
      member.socket.flush();
      this.sayGone(member);
      if (!member.socket.open) return;
      this.epoll.modify(fd, member.socket.hasWaiting ? EPOLLIN | EPOLLOUT : EPOLLIN);
      this.read(member);
    } catch (error) {
      this.expel(member, error instanceof Error ? error.message : String(error));
    }
  }

  private accept(listening: number): void {
    const error = this.acceptAll(listening);
    const isShort = error !== '' && error !== 'EAGAIN' && error !== 'ECONNABORTED';
    if (isShort === this.paused.has(listening)) return;
    if (isShort) this.pause(listening, error);
    else this.resume(listening);
  }

  /** Returns the error of the last attempt; '' when more connections may be pending. */
  private acceptAll(listening: number): string {
    for (let count = 0; count < ACCEPTED_PER_TURN; count++) {
      const fd = acceptConnection(listening);
      if (fd < 0) return errnoName(-fd);
      try {
        if (this.mayJoin(fd)) this.admit(fd);
        else closeSocket(fd);
      } catch (error) {
        closeSocket(fd);
        if (error instanceof SystemError) return error.code;
        throw error;
      }
    }
    return '';
  }

  private mayJoin(fd: number): boolean {
    const { mayJoin } = this.options;
    if (mayJoin === undefined) return true;
    const credentials = peerCredentials(fd);
    const groups = peerGroups(fd) ?? [];
    const verdict = mayJoin({ ...credentials, groups, securityLabel: peerSecurityLabel(fd) });
    if (verdict === true) return true;
    const who = describeProcess(credentials, executableOf(credentials.pid));
    this.diagnostics.sayAbout(credentials.uid, `a process (${who}) was not admitted: ${verdict}`);
    return false;
  }

  /** Pending connections wait in the kernel, and the socket must not keep waking the loop. */
  private pause(listening: number, error: string): void {
    this.diagnostics.say(`no new members are accepted for now: ${error}`);
    this.paused.add(listening);
    this.epoll.remove(listening);
  }

  private resume(listening: number): void {
    this.paused.delete(listening);
    this.epoll.add(listening, EPOLLIN);
  }

  /** Reads once only, so that other members are served as well. */
  private read(member: MemberRecord): void {
    member.socket.limitReads(1);
    while (member.socket.open) {
      const frame = member.socket.receive();
      if (frame === 'empty') return;
      if (frame === 'closed') return this.remove(member);
      try {
        if (frame.hasLostDescriptors)
          throw new ChannelError('the descriptor of its page was lost: too many open files');
        this.act(member, parseMemberMessage(frame.message), frame.fds);
      } finally {
        for (const fd of frame.fds) closeReceived(fd);
      }
    }
  }

  /** Descriptors that are kept are taken out of `fds`. */
  private act(member: MemberRecord, message: MemberMessage, fds: number[]): void {
    if (message.kind === 'hello') return this.welcome(member, message, fds);
    if (fds.length > 0 || member.id === 0) throw new ChannelError('an unexpected request');
    if (message.kind === 'introduce') this.introducer.introduce(member, message.peer, false);
    else if (message.kind === 'ready') this.introducer.complete(member, message.peer);
    else this.introducer.cancel(member, message.peer);
  }

  private welcome(
    member: MemberRecord,
    { maxima }: Extract<MemberMessage, { kind: 'hello' }>,
    fds: number[],
  ): void {
    const [page] = fds;
    if (member.pageFd >= 0 || page === undefined || fds.length > 1 || !isPage(page)) {
      throw new ChannelError('a hello without a sealed page, or a second hello');
    }
    fds.pop();
    member.pageFd = page;
    member.maxima = maxima;
    this.silent.delete(member);
    const crowding = member.isTrusted ? undefined : this.crowding(member);
    if (crowding !== undefined) throw new ChannelError(crowding);
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

  private enrol(member: MemberRecord): void {
    member.id = ++this.lastId;
    this.membersById.set(member.id, member);
    if (member.isRoot) this.rootId = member.id;
    const root = member.isRoot ? 0 : this.rootId;
    this.tell(member, { kind: 'welcome', id: member.id, root });
    if (root !== 0) this.introducer.introduce(member, root, true);
  }

  /** Sends a message to a member. Any failure of that is this member's fault. */
  tell(member: MemberRecord, message: AuthorityMessage, fds: readonly number[] = []): void {
    const { socket } = member;
    if (!socket.open) return;
    try {
      if (!socket.send(message, fds)) return this.expel(member, 'it does not read');
      if (socket.hasWaiting) this.epoll.modify(socket.fd, EPOLLIN | EPOLLOUT);
    } catch (error) {
      this.expel(member, error instanceof Error ? error.message : String(error));
    }
  }

  /** Deferred while other frames wait: a member must not be given up because many processes come and go. */
  private tellGone(member: MemberRecord, peer: number): void {
    if (!member.socket.hasWaiting) return this.tell(member, { kind: 'gone', peer });
    member.unsaidGone.push(peer);
    if (member.unsaidGone.length > UNSAID_MAX) this.expel(member, 'it does not read');
  }

  private sayGone(member: MemberRecord): void {
    const { unsaidGone, socket } = member;
    let count = 0;
    for (const peer of unsaidGone) {
      if (!socket.open || socket.hasWaiting) break;
      this.tell(member, { kind: 'gone', peer });
      count++;
    }
    unsaidGone.splice(0, count);
  }

  private expel(member: MemberRecord, reason: string): void {
    const { uid } = member.credentials;
    const text = `a process (${member.description}) was expelled: ${reason}`;
    if (this.members.has(member.socket.fd)) this.diagnostics.sayAbout(uid, text);
    this.remove(member);
  }

  private remove(member: MemberRecord): void {
    if (!this.members.delete(member.socket.fd)) return;
    this.silent.delete(member);
    for (const fd of [member.socket.fd, member.pidFd]) {
      if (fd >= 0) this.membersByFd.delete(fd);
    }
    if (member.id !== 0) this.membersById.delete(member.id);
    this.introducer.forget(member);
    member.close();
    for (const listening of this.paused) this.resume(listening);
    if (member === this.rootToCome) this.stopWaitingForRoot();
    if (member.id === 0) return;
    if (this.rootId === member.id) this.rootId = 0;
    for (const other of this.membersById.values()) {
      other.peers.delete(member.id);
      this.tellGone(other, member.id);
    }
  }
}
