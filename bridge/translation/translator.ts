import { Message, type Handle } from '#core/index.js';
import { DriverError, ErrorName } from '#bridge/driver/driver-error.js';
import { reportDenial } from '#bridge/driver/report-denial.js';
import type { Host } from '#bridge/host/host.js';
import type { ObjectTranslator } from '#bridge/host/host-parts.js';
import type { Connection } from '#bridge/registry/connection.js';
import { Envelope } from '#bridge/registry/envelope.js';
import type { Registry } from '#bridge/registry/registry.js';
import { MessageHeader } from '#bridge/wire/header.js';
import { MessageType } from '#bridge/wire/types.js';
import { Serials } from '#bridge/wire/serials.js';
import type { Facet } from '#policy/index.js';
import { firstPath, type Mapping } from '#mappings/index.js';

import type { Arrival, NodeContext } from './arrival.js';
import { Client } from './client.js';
import { KnownMappings } from './known-mappings.js';
import { Service, type Said } from './service.js';
import { Watch } from './watch.js';

/**
 * Lets native peers work with capabilities where a service has object paths (docs/mappings.md). A native peer that
 * asks for a mapped name gets a handle to a node here instead of the service's own. The service sees ordinary calls
 * by path from the native peer.
 */
export class Translator implements ObjectTranslator {
  readonly host: Host;
  readonly watch: Watch;
  private readonly mappings: KnownMappings;
  private readonly clients = new Map<Connection, Client>();
  private readonly services = new Map<string, Service>();
  private tasks: (() => void)[] = [];
  private readonly message = new Message<Envelope, NodeContext, never>();
  private readonly envelope = new Envelope();
  private readonly scanned = new MessageHeader();
  readonly serials = new Serials();

  constructor(host: Host, mappings: readonly Mapping[]) {
    this.host = host;
    this.mappings = new KnownMappings(mappings);
    this.watch = new Watch(host, (arrival) => {
      this.defer(() => arrival.dropAfter(() => this.hear(arrival)));
    });
  }

  get registry(): Registry {
    return this.host.driver.registry;
  }

  /**
   * For the registry, which `sender` has asked for `name`: the registry's own handle that it grants instead of the
   * owner's. Undefined: no mapping applies to these two.
   */
  handleFor(name: string, sender: Connection, owner: Connection | undefined): Handle | undefined {
    if (!sender.isNative) return this.returnHandle(name, sender, owner);
    const known =
      name.startsWith(':') || owner?.isNative === true ? undefined : this.mappings.find(name);
    if (known === undefined) return undefined;
    const conversation = this.client(sender).conversation(this.service(name, known.mapping));
    const { object } = known.entry;
    const handle =
      conversation.way === undefined
        ? undefined
        : conversation.open(object, firstPath(object).text, sender, this.registry.peer);
    if (handle === undefined) conversation.endIfIdle();
    return handle;
  }

  /** Processes everything that has arrived. */
  run(): void {
    while (this.tasks.length > 0) {
      const { tasks } = this;
      this.tasks = [];
      for (const task of tasks) this.perform(task);
    }
  }

  /** An error in one conversation does not end the bus. */
  perform(task: () => void): void {
    try {
      task();
    } catch (error) {
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.host.log('error', 'a message could not be translated', { why });
    }
  }

  /** Runs `task` once no transaction is under way. */
  defer(task: () => void): void {
    this.tasks.push(task);
    this.host.isUnsettled = true;
  }

  client(connection: Connection): Client {
    let client = this.clients.get(connection);
    if (client === undefined) {
      client = new Client(this, connection);
      this.clients.set(connection, client);
    }
    return client;
  }

  forget({ connection }: Client): void {
    this.clients.delete(connection);
  }

  service(name: string, mapping: Mapping): Service {
    const key = `${name} ${mapping.file}`;
    let service = this.services.get(key);
    if (service === undefined) {
      service = new Service(this, name, mapping);
      this.services.set(key, service);
    }
    return service;
  }

  forgetService({ name, mapping }: Service): void {
    this.services.delete(`${name} ${mapping.file}`);
  }

  /** The connection with this unique name. */
  connectionOf(name: string | undefined): Connection | undefined {
    return name === undefined ? undefined : this.registry.connections.get(name);
  }

  /** The message to send next; valid until the next call. `sender`: N of its sender's unique name. */
  compose(bytes: Uint8Array, sender: number, replyFacet: Facet | null): typeof this.message {
    const { message, envelope } = this;
    envelope.header.scan(bytes, viewOf(bytes), 0, bytes.length);
    envelope.senderNumber = sender;
    envelope.replyFacet = replyFacet;
    message.clear().addPiece(bytes, 0, bytes.length);
    message.note = envelope;
    return message;
  }

  /** Shows monitors a message of a native peer to a service. */
  show(bytes: Uint8Array, sender: Connection): void {
    const { registry } = this;
    if (!registry.isObserved) return;
    registry.capture(this.envelope, this.compose(bytes, sender.number, null), sender);
  }

  permits(facet: Facet | null, bytes: Uint8Array): boolean {
    if (facet === null) return true;
    this.scanned.scan(bytes, viewOf(bytes), 0, bytes.length);
    return this.host.permits(facet, this.scanned);
  }

  /** @throws DriverError */
  mustPermit(facet: Facet | null, bytes: Uint8Array, sender: Connection): void {
    if (facet === null || this.permits(facet, bytes)) return;
    const text = reportDenial(this.host.driver.settings, sender, facet, this.scanned);
    throw new DriverError(ErrorName.AccessDenied, text);
  }

  /** A service has sent a signal; `to`: the one native peer that it was sent to. */
  heard(said: Said, to?: Connection): void {
    for (const service of this.services.values()) {
      if (service.owner === said.sender) service.heard(said, to);
    }
  }

  /** The handle for a service with a mapping, which may call objects that a native peer has offered to it. */
  private returnHandle(
    name: string,
    sender: Connection,
    owner: Connection | undefined,
  ): Handle | undefined {
    const isForNative = owner?.isNative === true && name.startsWith(':');
    if (!isForNative || !this.mappings.hasAny(sender.names)) return undefined;
    return this.client(owner).returnHandle();
  }

  /** A service has broadcast a signal. */
  private hear(arrival: Arrival): void {
    const message = arrival.read();
    const sender = this.connectionOf(message?.sender);
    if (message?.type !== MessageType.Signal || sender === undefined) return;
    const { bytes, descriptors } = arrival;
    this.heard({ message, bytes, descriptors, sender });
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
