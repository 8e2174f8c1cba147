import type { Handle, Peer } from '#core/index.js';
import type { HandleHolder, HeldHandle } from '#bridge/peer/parcel.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { Grant } from '#bridge/registry/grants.js';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import { expandPath, firstPath, type MemberReference, type ObjectKind } from '#mappings/index.js';

import type { Arrival } from './arrival.js';
import type { Client } from './client.js';
import { passCall } from './native-call.js';
import { ObjectNode } from './object-node.js';
import { Offer } from './offer.js';
import type { Service } from './service.js';

/** The handle through which a service is reached. */
interface Way {
  readonly handle: HeldHandle;
  /** undefined: messages wait there until the service has been started */
  readonly owner: Connection | undefined;
}

/** One native peer's use of one service: handles to its objects, and objects that the native peer has offered to it. */
export class Conversation implements HandleHolder {
  readonly client: Client;
  readonly service: Service;
  private readonly objects = new Set<ObjectNode>();
  private readonly offers = new Map<string, Offer>();
  private known: Way | null = null;
  private isOver = false;

  constructor(client: Client, service: Service) {
    this.client = client;
    this.service = service;
    service.joined(this);
  }

  /** The way to the service, for the native peer itself; undefined: nobody owns or provides the name. */
  get way(): Way | undefined {
    if (this.known !== null) return this.known;
    const way = this.find(this.client.connection);
    if (way === undefined) return undefined;
    way.handle.context = this;
    this.known = way;
    return way;
  }

  /** Lets `use` send a message to the service as `caller`; false: nobody owns or provides the name. */
  reach(caller: Connection, use: (handle: HeldHandle, grant: Grant) => void): boolean {
    const { grants } = this.client.translator.host;
    const isOwn = caller === this.client.connection;
    const way = isOwn || this.known?.owner !== undefined ? this.way : this.find(caller);
    if (way === undefined) return false;
    const { handle, owner } = way;
    const grant =
      owner === undefined
        ? grants.withServiceToStart(caller, this.service.name)
        : grants.between(caller, owner);
    try {
      use(handle, grant);
    } finally {
      if (way !== this.known && handle.live) this.client.peer.release(handle);
    }
    return true;
  }

  /** The service is gone, and all of its objects with it; if it was yet to start, it has started or will not. */
  lost(): void {
    const wasThere = this.known?.owner !== undefined;
    this.known = null;
    if (wasThere) this.client.translator.defer(() => this.end());
  }

  /** Makes a node that represents an object; the handle to it belongs to `to`. */
  open(kind: ObjectKind, path: string, holder: Connection, to: Peer = this.client.peer): Handle {
    const { node, handle } = this.client.peer.createNode(to);
    const object = new ObjectNode(this, node, kind, path, holder);
    node.context = object;
    this.objects.add(object);
    this.service.add(object);
    return handle;
  }

  /** The object has ended: all handles to this node die. */
  close(object: ObjectNode): void {
    this.forget(object);
    if (object.node.live) this.client.peer.release(object.node);
    this.endIfIdle();
  }

  /** A native peer has sent a message to the node of `object`. */
  arrived(object: ObjectNode, arrival: Arrival): void {
    const { service, client } = this;
    service.whenWatched(() => {
      arrival.dropAfter(() => {
        if (client.peer.live) passCall(object, arrival);
      });
    });
  }

  /** No handle to this node is left. */
  abandoned(object: ObjectNode): void {
    if (!this.objects.has(object)) return;
    this.forget(object);
    const { kind, path, holder, hasEnded } = object;
    const isLast = !hasEnded && !this.service.hasObjectAt(path);
    if (kind.release !== undefined && isLast) this.callRelease(kind.release, path, holder);
    this.endIfIdle();
  }

  /** The path by which the service can call an object that the native peer offers. */
  pathFor(handle: Handle, kind: ObjectKind): string {
    for (const [path, offer] of this.offers) {
      if (offer.kind === kind && offer.handle.node === handle.node) return path;
    }
    const pattern = firstPath(kind);
    const number = this.client.nextOfferNumber();
    const values = pattern.variables.map((name) => [name, `bus1_${number}`] as const);
    const path = expandPath(pattern, Object.fromEntries(values));
    const own = handle.owner.copyHandle(handle, this.client.peer);
    this.withdraw(path);
    this.offers.set(path, new Offer(this, kind, path, own));
    return path;
  }

  offerAt(path: string): Offer | undefined {
    return this.offers.get(path);
  }

  withdraw(path: string): void {
    const offer = this.offers.get(path);
    this.offers.delete(path);
    if (offer?.handle.live === true) this.client.peer.release(offer.handle);
  }

  withdrawOffers(): void {
    for (const path of this.offers.keys()) this.withdraw(path);
    this.endIfIdle();
  }

  endIfIdle(): void {
    if (this.objects.size > 0 || this.offers.size > 0) return;
    if (!this.client.isCalling(this.service)) this.end();
  }

  private end(): void {
    if (this.isOver) return;
    this.isOver = true;
    const { peer } = this.client;
    for (const object of this.objects) {
      this.forget(object);
      if (object.node.live) peer.release(object.node);
    }
    for (const path of this.offers.keys()) this.withdraw(path);
    if (this.known !== null) peer.release(this.known.handle);
    this.known = null;
    this.service.left(this);
    this.client.forget(this);
  }

  private forget(object: ObjectNode): void {
    this.objects.delete(object);
    this.service.remove(object);
    object.dropListeners();
    object.kept.clear();
  }

  private find(caller: Connection): Way | undefined {
    const { translator, peer } = this.client;
    const { registry, host } = translator;
    const { name } = this.service;
    const owner = registry.owner(name);
    if (owner !== undefined) {
      const handle = name.startsWith(':') ? owner.inbox : owner.nameHandles.get(name);
      return handle && { owner, handle: registry.peer.copyHandle(handle, peer) };
    }
    const parking =
      host.activator.parkingFor(name, caller) ?? host.attachment?.driverSide.gateFor(name, caller);
    if (parking === undefined) return undefined;
    const handle = registry.peer.copyHandle(parking, peer);
    registry.peer.release(parking);
    return { owner, handle };
  }

  /** Calls on behalf of the last holder, which may be about to leave but is still connected. */
  private callRelease(release: MemberReference, path: string, holder: Connection): void {
    if (!holder.live || this.way?.owner === undefined) return;
    const bytes = encodeMessage({
      type: MessageType.MethodCall,
      flags: MessageFlag.NoReplyExpected | MessageFlag.NoAutoStart,
      serial: this.client.translator.serials.next(),
      path,
      ...release,
      destination: this.service.name,
      sender: holder.uniqueName,
    });
    this.reach(holder, (handle, grant) => {
      if (!this.client.translator.permits(grant.facet, bytes)) return;
      this.client.translator.show(bytes, holder);
      this.client.send(handle, { bytes, sender: holder.number });
    });
  }
}
