import type { Epoll } from '../linux/index.js';
import { EPOLLIN, SystemError } from '../linux/index.js';
import type { LocalDomain } from '../local-domain.js';
import { AuthorityClient, type AuthorityListener } from './authority-client.js';
import { Channel } from './channel.js';
import { LinkedChannel } from './linked-channel.js';
import type { Connections } from './connections.js';
import type { InputContext } from './control-input.js';
import type { AuthorityMessage, ChannelMessage } from './control-messages.js';
import { Diagnostics } from './diagnostics.js';
import { GrantTable } from './grants.js';
import type { Namer } from './introductions.js';
import type { JoinOptions } from './join-options.js';
import { CLAIMS_MAX, VAIN_CLAIMS_MAX } from './layout.js';
import { LinkInput } from './link-input.js';
import { Link, type LinkContext, type ProcessIdentity } from './link.js';
import { Links } from './links.js';
import { Root } from './root.js';
import { UidRows } from './uid-rows.js';

/** What a membership needs of its domain. */
export interface MembershipContext extends LinkContext {
  /** Delivers what is left in a channel that the other side has closed, and closes it here. */
  finish(connection: LinkedChannel): void;
  /** Process `namer` has named a process that never existed. */
  invented(namer: number): void;
}

/** How this process learns of the other members of its domain, and what it does with each. */
export class Membership implements InputContext, AuthorityListener {
  readonly local: LocalDomain;
  readonly grants: GrantTable;
  readonly claimRows = new UidRows(CLAIMS_MAX);
  readonly vainClaimRows = new UidRows(VAIN_CLAIMS_MAX);
  readonly authority: AuthorityClient;
  readonly links: Links;
  readonly root: Root;
  /** number of this process; 0 until it has been admitted */
  id = 0;
  private readonly options: JoinOptions;
  private readonly epoll: Epoll;
  private readonly connections: Connections;
  private readonly context: MembershipContext;
  readonly diagnostics: Diagnostics;

  /** Takes over `fd`, a socket connected to the authority. */
  constructor(
    fd: number,
    options: JoinOptions,
    epoll: Epoll,
    connections: Connections,
    context: MembershipContext,
  ) {
    this.options = options;
    this.local = options.local;
    this.epoll = epoll;
    this.connections = connections;
    this.context = context;
    this.diagnostics = new Diagnostics(options.onDiagnostic);
    this.grants = new GrantTable(options.local);
    this.authority = new AuthorityClient(fd, this);
    this.links = new Links(context);
    this.root = new Root(options.local, this.grants.peer, options.root);
    epoll.add(fd, EPOLLIN);
  }

  /** The identity of a process with a channel to this one. */
  identityOf(process: number): ProcessIdentity | undefined {
    const link = this.links.get(process);
    return link === undefined || link.channel === null ? undefined : link.identity;
  }

  /**
   * Whether an entry with a node of `process`, which `namer` has named, can be taken now; requests an introduction
   * where that can help.
   */
  isKnown(process: number, namer: Namer): boolean {
    if (!this.authority.isOpen || this.links.isGone(process)) return true;
    return this.authority.introductions.isOverdue(process, namer);
  }

  /** The channel of `connection` is over. */
  closeConnection(connection: LinkedChannel): void {
    const { link, input } = connection;
    if (!this.connections.remove(connection)) return;
    input.close();
    link.close();
    /* grants and link are not kept: the two can be introduced again */
    this.grants.revoke(link.identity.id);
    this.grants.depart(link.identity.id, performance.now());
    if (this.links.get(link.identity.id) === link) this.links.remove(link);
  }

  close(): void {
    for (const connection of this.connections.all) this.closeConnection(connection);
    this.links.close();
    this.grants.peer.close();
    this.authority.close();
  }

  // InputContext: what the input of a link needs.

  linkTo(process: number): Link | undefined {
    const link = this.links.get(process);
    if (link === undefined || (link.isOpen && link.channel === null)) return undefined;
    return link.isOpen || this.links.isRefused(link) ? link : undefined;
  }

  placeholderFor(process: number): Link {
    return this.links.placeholderFor(process, this.options.maxima);
  }

  awaitsGrant(grantor: number): boolean {
    const channel = this.links.get(grantor)?.channel;
    if (channel === undefined || channel === null || !channel.reader.isBacklogged) return false;
    return this.authority.introductions.awaitsGrant(grantor);
  }

  noteGrant(grantor: number): void {
    this.authority.introductions.noteGrant(grantor);
  }

  mayClaim(process: number): boolean {
    const link = this.links.get(process);
    if (link !== undefined && link.channel !== null) return true;
    const isRefused = link !== undefined && !link.isOpen;
    return this.authority.isOpen && !isRefused && !this.links.isGone(process);
  }

  // AuthorityListener: messages from the authority.

  obey(message: AuthorityMessage, fds: readonly number[]): void {
    if (message.kind === 'welcome') {
      this.id = message.id;
      this.root.expectFrom(message.root);
    } else if (message.kind === 'channel') {
      this.connect(message, fds);
    } else if (message.kind === 'gone') {
      this.forget(message.peer);
    } else {
      const namer = this.authority.introductions.namerOf(message.peer);
      const isInvented = message.isInvented === true && namer !== undefined;
      if (!isInvented) this.sayNoIntroduction(message.peer, message.reason, namer);
      this.forgo(message.peer, message.reason);
      if (isInvented) this.context.invented(namer.id);
    }
  }

  lostChannel({ peer, isFirst }: ChannelMessage, reason: string): void {
    this.giveUp(peer, reason);
    /* if the other process has the channel already, it sees that the channel is closed */
    if (isFirst) this.authority.decline(peer);
  }

  authorityGone(): void {
    this.epoll.remove(this.authority.fd);
    this.authority.close();
    this.links.closePlaceholders();
    this.grants.revokeUnless((process) => this.mayClaim(process));
  }

  diagnose(text: string): void {
    this.diagnostics.say(text);
  }

  /** From now on this process treats `process` as gone. */
  giveUp(process: number, reason: string): void {
    this.sayNoIntroduction(process, reason, this.authority.introductions.namerOf(process));
    this.forgo(process, reason);
  }

  private sayNoIntroduction(process: number, reason: string, namer: Namer | undefined): void {
    const text = `no introduction to process ${process}: ${reason}`;
    if (namer === undefined) this.diagnostics.say(text);
    else this.diagnostics.sayAbout(namer.uid, text);
  }

  private forgo(process: number, reason: string): void {
    this.root.noteRefusal(process, reason);
    this.authority.introductions.forget(process);
    this.links.refuse(this.placeholderFor(process));
    this.grants.revoke(process);
  }

  private connect(message: ChannelMessage, fds: readonly number[]): void {
    const { peer, uid, pid, executable, namesAccounts, isTrusted, maxima } = message;
    /* the other side has given up the previous channel, and asks for another */
    const before = this.connections.to(peer);
    if (before !== undefined) this.context.finish(before);
    const channel = this.tryOpen(message, fds);
    if (channel === undefined) return;
    const identity = { id: peer, uid, pid, executable, namesAccounts, isTrusted, maxima };
    let link = this.links.get(peer);
    if (link === undefined || !link.isOpen) {
      this.links.add((link = new Link(identity, this.context)));
    }
    link.connect(identity, channel);
    const input = new LinkInput(link, channel, this);
    this.connections.add(new LinkedChannel(link, channel, input));
    this.authority.introductions.forget(peer);
    this.root.exchange(message, link);
    if (message.isFirst) this.authority.sayReady(peer);
    link.flush();
  }

  private tryOpen(message: ChannelMessage, fds: readonly number[]): Channel | undefined {
    try {
      return new Channel(message, fds);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.lostChannel(message, error.message);
      return undefined;
    }
  }

  private forget(process: number): void {
    this.links.markGone(process);
    this.authority.introductions.forget(process);
    const connection = this.connections.to(process);
    /* its committed entries are still delivered, and may need what it was granted */
    if (connection === undefined) this.grants.revoke(process);
    if (connection !== undefined) {
      connection.hasHungUp = true;
      return;
    }
    const link = this.links.get(process);
    link?.close();
    if (link !== undefined) this.links.remove(link);
  }
}
