import { NewNode, SendStatus, type DescriptorSet, type Handle, type Node } from '#core/index.js';
import { closeFd } from '#core/linux/index.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import { Destination, Destinations } from '#bridge/host/destinations.js';
import { INBOX, NAME_NODE } from '#bridge/host/node-contexts.js';
import { reportDenial } from '#bridge/driver/report-denial.js';
import { headerText } from '#bridge/wire/header-text.js';
import { Connection, NO_FIGURES, NOBODY, type Credentials } from '#bridge/registry/connection.js';
import { numberOfName, type Envelope } from '#bridge/registry/envelope.js';
import { RequestNameFlag } from '#bridge/registry/name-queue.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { MessageFlag, wantsReply } from '#bridge/wire/types.js';
import { failureOf } from '#bridge/registry/send-failure.js';
import type { Facet } from '#policy/index.js';
import type { Attachment } from './attachment.js';
import { ForeignCall } from './foreign-call.js';
import { processText } from './process-text.js';
import { StandIn, type StandInNode } from './stand-in.js';
import type { Uplink } from './uplink.js';

/** One connection of the other bus as a connection of the bridge, with a unique name and credentials of its own. */
export class Ghost extends StandIn {
  /** its unique name on the other bus */
  readonly farName: Uint8Array;
  readonly farText: string;
  /** its unique name here */
  readonly nameBytes: Uint8Array;
  readonly connection: Connection;
  /** the uplinks on which a message of this connection has arrived */
  readonly audience = new Set<Uplink>();
  live = true;
  /** one of its names has been announced on the bridge */
  isTold = false;
  private readonly names = new Map<string, StandInNode>();
  /** clients that it has called, by their unique names on the other bus */
  private readonly routes = new Destinations();
  /** clients that receive its broadcasts, by their names on this bus; `tell` checks the policy before it sends */
  private readonly listeners = new Destinations();
  /** serial of the last broadcast that monitors were shown: a copy of it arrives on each subscribed uplink */
  private shownSerial = 0;

  /** Announces the ghost on the bridge. */
  constructor(attachment: Attachment, farText: string, credentials: Credentials) {
    super(attachment, credentials.uid ?? NOBODY);
    const { host, driver } = attachment;
    this.farText = farText;
    this.farName = Buffer.from(farText, 'latin1');
    this.connection = new Connection(credentials, () => ({
      ...NO_FIGURES,
      owedReplies: this.owedReplies,
      destinations: this.routes.size,
    }));
    this.connection.takesDescriptors = attachment.takesDescriptors;
    host.grants.classify(this.connection);
    const inbox = this.peer.createNode(driver.peer);
    inbox.node.context = INBOX;
    driver.admit(this.peer, inbox.handle, this.connection);
    const name = driver.activate(this.connection, numberOfName(farText));
    this.nameBytes = Buffer.from(name);
    driver.nameOwnerChanged(name, '', name);
  }

  protected override facetFor(sender: Connection, { context }: StandInNode): Facet | null {
    const { grants } = this.attachment.driver.registry;
    return context instanceof ForeignCall
      ? grants.replyFacet(sender, this.connection)
      : grants.directedFacet(sender, this.connection);
  }

  get number(): number {
    return this.connection.number;
  }

  /** A message of this connection has arrived through `uplink`. */
  // hot
  heardBy(uplink: Uplink): void {
    if (this.audience.has(uplink)) return;
    this.audience.add(uplink);
    uplink.heard.add(this);
  }

  get serviceNames(): readonly string[] {
    return [...this.names.keys()];
  }

  /** Describes the connection in diagnostics: which bus it is on, and which process it is. */
  get text(): string {
    return `${this.farText} (${processText(this.connection.credentials.pid)})`;
  }

  /**
   * It owns this name on the other bus. If a client of the bridge owns the name here, it keeps it, and the ghost is
   * queued.
   */
  own(name: string): void {
    this.isTold = true;
    if (this.names.has(name)) return;
    const { driver } = this.attachment;
    const { registry } = driver;
    const { node, handle } = this.peer.createNode(driver.peer);
    node.context = NAME_NODE;
    this.names.set(name, node);
    const { change } = registry.names.request(name, this.connection, 0);
    if (change !== undefined) registry.noteOwnership(change);
    driver.keepNameNode(name, this.connection, handle);
    if (change !== undefined) driver.announce(change);
  }

  /**
   * Lets the next client that requests this name with ReplaceExisting take it over, so that it always has an owner.
   */
  letReplace(name: string): void {
    const flags = RequestNameFlag.AllowReplacement | RequestNameFlag.DoNotQueue;
    const { names } = this.attachment.driver.registry;
    if (names.primary(name) === this.connection) names.request(name, this.connection, flags);
  }

  /** It has lost this name: releases the name node, and with it every handle to the node. */
  disown(name: string): void {
    const node = this.names.get(name);
    this.names.delete(name);
    if (node?.live === true) this.peer.release(node);
  }

  /** Sends a call or a signal to one client of the bridge. False: the client has no room for it at present. */
  convey(uplink: Uplink, envelope: Envelope, descriptors: DescriptorSet | null): boolean {
    const { header } = envelope;
    const route = this.route(uplink, header);
    if (route === null) return true;
    const { facet, replyFacet, handle } = route;
    if (facet !== null && !this.attachment.host.permits(facet, header))
      return this.deny(uplink, header, facet);
    envelope.senderNumber = this.number;
    envelope.replyFacet = replyFacet;
    const message = this.attachment.composer.compose(
      envelope,
      descriptors,
      0,
      uplink.nameHere(header),
      this.nameBytes,
    );
    if (wantsReply(header)) {
      message.newNode = NewNode.OneShot;
      message.newNodeContext = new ForeignCall(this, uplink, header.serial);
    }
    this.attachment.composer.show(message, this.connection);
    const status = this.peer.send(handle, message);
    if (status === SendStatus.OverQuota && uplink.connection !== undefined) return false;
    if (status !== SendStatus.Sent) this.refuse(uplink, header, ...failureOf(status));
    return true;
  }

  /** Sends a broadcast to a client that subscribed to it. False: the client has no room for it at present. */
  tell(uplink: Uplink, envelope: Envelope, descriptors: DescriptorSet | null): boolean {
    const { attachment, connection } = this;
    const to = uplink.connection;
    if (to === undefined || !to.live) return true;
    const { header } = envelope;
    const facet = attachment.host.grants.broadcastFacet(connection, to);
    if (facet !== null && !facet.check(header)) return true;
    const inbox = this.inboxOf(uplink, to);
    envelope.senderNumber = this.number;
    const message = attachment.composer.compose(envelope, descriptors, 0, null, this.nameBytes);
    if (header.serial !== this.shownSerial) attachment.composer.show(message, connection);
    this.shownSerial = header.serial;
    return this.peer.send(inbox, message) !== SendStatus.OverQuota;
  }

  /** It has left the other bus. Its peer stays open for replies that are under way and need their reply handles. */
  depart(): void {
    if (!this.live) return;
    this.live = false;
    for (const uplink of this.audience) uplink.heard.delete(this);
    const nodes: Node[] = [];
    for (let node = this.peer.firstNode; node !== null; node = node.nextOwned) nodes.push(node);
    this.names.clear();
    this.peer.releaseAll(nodes);
    const { pidFd } = this.connection.credentials;
    if (pidFd !== undefined) closeFd(pidFd);
    if (this.owedReplies === 0) this.attachment.defer(() => this.peer.close());
  }

  override replySettled(): void {
    super.replySettled();
    if (!this.live && this.owedReplies === 0) this.attachment.defer(() => this.peer.close());
  }

  /** The handle to this destination is dead. */
  forget(route: Destination): void {
    this.routes.remove(route);
    this.listeners.remove(route);
  }

  /** The registry has released its handle to a name node: a client here has taken the name over. */
  protected nodeAbandoned(node: StandInNode): void {
    for (const [name, each] of this.names) if (each === node) this.names.delete(name);
  }

  private route(uplink: Uplink, header: MessageHeader): Destination | null {
    const { bytes, destinationOffset, destinationLength } = header;
    const known = this.routes.find(bytes, destinationOffset, destinationLength);
    if (known === null) return this.resolve(uplink, header);
    if (uplink.connection !== undefined && known.owner !== uplink.connection) {
      this.forget(known);
      this.peer.release(known.handle);
      return this.resolve(uplink, header);
    }
    if (!known.isDecidedFor(this.connection))
      known.decide(this.connection, this.attachment.host.grants);
    return known;
  }

  /**
   * First contact: the registry lives in this thread, so it is read directly. A message goes to the client whose
   * connection the other bus has chosen, even if the name has changed hands here in the meantime.
   */
  private resolve(uplink: Uplink, header: MessageHeader): Destination | null {
    const { registry } = this.attachment.driver;
    const name = headerText(header, 'destination');
    const isUplink = uplink.nameHere(header) !== null;
    const owner = uplink.connection ?? registry.owner(name);
    const handle = isUplink ? owner?.inbox : handleTo(name, owner);
    if (owner === undefined || handle === undefined || this.attachment.ghosts.isGhost(owner)) {
      return this.resolveUnowned(uplink, header, name);
    }
    const { uniqueName } = owner;
    const translated = isUplink && registry.translatorFor?.(uniqueName, this.connection, owner);
    const route = this.newRoute(name, translated || handle, owner, false);
    route.decide(this.connection, registry.grants);
    if (translated) registry.peer.release(translated);
    this.routes.add(route);
    return route;
  }

  private resolveUnowned(uplink: Uplink, header: MessageHeader, name: string): Destination | null {
    const { host, driver } = this.attachment;
    const mayStart = (header.flags & MessageFlag.NoAutoStart) === 0;
    const isOwned = driver.registry.owner(name) !== undefined;
    const parking =
      mayStart && !isOwned ? host.activator.parkingFor(name, this.connection) : undefined;
    if (parking === undefined) {
      const errorName = mayStart ? ErrorName.ServiceUnknown : ErrorName.NameHasNoOwner;
      this.refuse(
        uplink,
        header,
        errorName,
        `The name ${name} is not provided by the bridge at present`,
      );
      return null;
    }
    const route = this.newRoute(name, parking, null, true);
    route.decide(this.connection, host.grants);
    this.routes.add(route);
    driver.registry.peer.release(parking);
    return route;
  }

  private inboxOf(uplink: Uplink, to: Connection): Handle {
    const name = uplink.clientName;
    const known = this.listeners.find(name, 0, name.length);
    if (known !== null) return known.handle;
    const listener = this.newRoute(to.uniqueName, to.inbox, to, false);
    this.listeners.add(listener);
    return listener.handle;
  }

  private newRoute(
    name: string,
    handle: Handle,
    owner: Connection | null,
    isParking: boolean,
  ): Destination {
    const { driver } = this.attachment;
    const copy = driver.registry.peer.copyHandle(handle, this.peer);
    const nameBytes = Buffer.from(name, 'latin1');
    const init = { name: nameBytes, handle: copy, owner, isParking, isDriver: false };
    const route = new Destination(init);
    copy.context = { lost: () => this.forget(route) };
    return route;
  }

  private deny(uplink: Uplink, header: MessageHeader, facet: Facet): true {
    const why = reportDenial(this.attachment.driver.settings, this.connection, facet, header);
    this.refuse(uplink, header, ErrorName.AccessDenied, why);
    return true;
  }

  private refuse(uplink: Uplink, header: MessageHeader, errorName: string, why: string): void {
    if (wantsReply(header)) uplink.answerWithError(this, header.serial, errorName, why);
  }
}

/** A client that no longer owns the name is reached through its inbox. */
function handleTo(name: string, owner: Connection | undefined): Handle | undefined {
  const named = owner?.nameHandles.get(name);
  return named?.live === true ? named : owner?.inbox;
}
