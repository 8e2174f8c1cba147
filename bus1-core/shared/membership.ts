import type { Epoll } from '../linux/index.js';
import { EPOLLIN, SystemError } from '../linux/index.js';
import type { LocalDomain } from '../local/domain.js';
import { AuthorityClient, type AuthorityListener } from './authority-client.js';
import { Channel } from './channel.js';
import { Connection } from './connection.js';
import type { Connections } from './connections.js';
import type { InputContext } from './control-input.js';
import type { AuthorityMessage, ChannelMessage } from './control-messages.js';
import { GrantTable } from './grants.js';
import type { JoinOptions } from './join-options.js';
import { LinkInput } from './link-input.js';
import { Link, type LinkContext, type ProcessIdentity } from './link.js';
import { Links } from './links.js';
import { Root } from './root.js';

/** How this process gets to know the others of its domain, and what it has to do with each. */
export class Membership implements InputContext, AuthorityListener {
  readonly local: LocalDomain;
  readonly grants: GrantTable;
  readonly authority: AuthorityClient;
  readonly links: Links;
  readonly root: Root;
  /** of this process; 0 until it has been admitted */
  id = 0;
  private readonly options: JoinOptions;
  private readonly epoll: Epoll;
  private readonly connections: Connections;
  private readonly context: LinkContext;

  /** Takes over `fd`, a socket connected to the authority. */
  constructor(
    fd: number,
    options: JoinOptions,
    epoll: Epoll,
    connections: Connections,
    context: LinkContext,
  ) {
    this.options = options;
    this.local = options.local;
    this.epoll = epoll;
    this.connections = connections;
    this.context = context;
    this.grants = new GrantTable(options.local);
    this.authority = new AuthorityClient(fd, this);
    this.links = new Links(context);
    this.root = new Root(options.local, this.grants.peer, options.root);
    epoll.add(fd, EPOLLIN);
  }

  /** Who a process with a channel to this one is. */
  identityOf(process: number): ProcessIdentity | undefined {
    const link = this.links.get(process);
    return link === undefined || link.channel === null ? undefined : link.identity;
  }

  /** Whether what comes from `process` can be dealt with now; asks for an introduction where that helps. */
  isKnown(process: number): boolean {
    if (!this.authority.isOpen || this.links.isGone(process)) return true;
    return this.authority.introductions.isOverdue(process);
  }

  /** The channel of `connection` is over. */
  closeConnection(connection: Connection): void {
    const { link, input } = connection;
    if (!this.connections.remove(connection)) return;
    input.close();
    link.close();
    const { id } = link.identity;
    this.grants.revoke(id);
    if (this.links.isGone(id)) this.links.remove(link);
  }

  close(): void {
    for (const connection of this.connections.all) this.closeConnection(connection);
    this.links.close();
    this.grants.peer.close();
    this.authority.close();
  }

  // What the input of a link asks for.

  linkTo(process: number): Link | undefined {
    const link = this.links.get(process);
    return link === undefined || (link.isOpen && link.channel === null) ? undefined : link;
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

  // What the authority says.

  obey(message: AuthorityMessage, fds: readonly number[]): void {
    if (message.kind === 'welcome') {
      this.id = message.id;
      this.root.expectFrom(message.root);
    } else if (message.kind === 'channel') {
      this.connect(message, fds);
    } else if (message.kind === 'gone') {
      this.forget(message.peer);
    } else {
      this.giveUp(message.peer, message.reason);
    }
  }

  lostChannel({ peer, isFirst }: ChannelMessage, reason: string): void {
    this.giveUp(peer, reason);
    /* the other one, if it has the channel already, sees that this is over */
    if (isFirst) this.authority.decline(peer);
  }

  authorityGone(): void {
    this.epoll.remove(this.authority.fd);
    this.authority.close();
    this.links.closePlaceholders();
    this.grants.revokeUnless((process) => this.mayClaim(process));
  }

  diagnose(text: string): void {
    this.options.onDiagnostic?.(text);
  }

  /** For this process that one counts as gone. */
  private giveUp(process: number, reason: string): void {
    this.diagnose(`no introduction to process ${process}: ${reason}`);
    this.authority.introductions.forget(process);
    this.placeholderFor(process).close();
    this.grants.revoke(process);
  }

  private connect(message: ChannelMessage, fds: readonly number[]): void {
    const { peer, uid, pid, namesAccounts, isTrusted, maxima } = message;
    const channel = this.tryOpen(message, fds);
    if (channel === undefined) return;
    const identity = { id: peer, uid, pid, namesAccounts, isTrusted, maxima };
    let link = this.links.get(peer);
    if (link === undefined || !link.isOpen) {
      this.links.add((link = new Link(identity, this.context)));
    }
    link.connect(identity, channel);
    const input = new LinkInput(link, channel, this);
    this.connections.add(new Connection(link, channel, input));
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
    /* what it has committed still counts, and may rest on what it was granted */
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
