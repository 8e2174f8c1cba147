import type { Connection } from '#bridge/registry/connection.js';
import { numberOfName, uniqueName } from '#bridge/registry/envelope.js';
import type { Attachment } from './attachment.js';
import type { BusLink } from './bus-link.js';
import { Uplink } from './uplink.js';

/** How long a client that says Hello waits for its name on the other bus. */
const GREETING_MAX_MS = 1000;

/** The uplinks of all clients. */
export class Uplinks {
  private readonly attachment: Attachment;
  private readonly byNumber = new Map<number, Uplink>();
  /** those of clients that have left, whose last messages have yet to be passed on */
  private readonly leaving = new Set<Uplink>();
  /** those of clients that have sent Hello and have no unique name yet */
  private readonly greeting = new Map<Connection, Uplink>();
  /** the other bus is slow: no client waits for it until it has answered again */
  private isSlow = false;
  /** unique names on the other bus that are ours */
  private readonly ours = new Map<string, Uplink | undefined>();

  constructor(attachment: Attachment) {
    this.attachment = attachment;
  }

  get size(): number {
    return this.byNumber.size + this.leaving.size;
  }

  /**
   * A client has sent Hello: it gets its uplink at once, and the unique name that the uplink has on the other bus, so
   * that a name means the same program on both. `named` gets -1 if there is no uplink, or the other bus does not
   * answer in time. False: the client does not wait for the other bus, and `named` is not called.
   */
  greet(connection: Connection, named: (number: number) => void): boolean {
    const uplink = new Uplink(this.attachment, connection);
    if (this.isSlow || this.attachment.mayConnect(uplink) !== undefined) return false;
    this.greeting.set(connection, uplink);
    const finish = (number: number): void => {
      if (!this.greeting.delete(connection)) return;
      cancel();
      if (!connection.live) return;
      named(number);
      if (connection.isActive && number >= 0) this.enter(uplink);
      this.attachment.host.settle();
    };
    const cancel = this.attachment.host.at(performance.now() + GREETING_MAX_MS, () => {
      this.isSlow = true;
      uplink.close();
      finish(-1);
    });
    uplink.whenReady((link) => finish(link === undefined ? -1 : numberOfName(link.uniqueName)));
    return true;
  }

  /** Whether this client waits for its unique name. */
  isGreeting(connection: Connection): boolean {
    return this.greeting.has(connection);
  }

  private enter(uplink: Uplink): void {
    uplink.clientNamed();
    this.byNumber.set(uplink.connection!.number, uplink);
  }

  all(): Uplink[] {
    return [...this.byNumber.values()];
  }

  /** The uplink of the client with this number, not necessarily open. Undefined: there is no such client. */
  // hot
  of(number: number): Uplink | undefined {
    return this.byNumber.get(number) ?? this.make(number);
  }

  /** The same, only if it exists. */
  find(connection: Connection): Uplink | undefined {
    return this.byNumber.get(connection.number);
  }

  /** A unique name of the other bus that belongs to this bridge. */
  isOurs(farName: string): boolean {
    return this.ours.has(farName);
  }

  named(uplink: Uplink): void {
    this.isSlow = false;
    this.ours.set(uplink.farText, uplink);
  }

  /** The client whose connection on the other bus has this name; undefined: it is none of our clients. */
  clientBehind(farName: string): Uplink | undefined {
    return this.ours.get(farName);
  }

  /**
   * Calls back when the other bus has processed everything that clients have sent so far. A client that does not
   * read is not waited for.
   */
  whenPassedOn(done: () => void): void {
    const speaking = [...this.byNumber.values(), ...this.leaving].filter(
      ({ link, outbound }) => link !== null || outbound.hasWaiting,
    );
    let missing = speaking.length;
    if (missing === 0) return done();
    for (const uplink of speaking) {
      uplink.whenPassedOn(() => {
        missing--;
        if (missing === 0) done();
      });
    }
  }

  /** Registers a connection of the bridge's own. */
  namedOwn({ uniqueName }: BusLink): void {
    this.ours.set(uniqueName, undefined);
  }

  unnamed({ uniqueName }: BusLink): void {
    this.ours.delete(uniqueName);
  }

  remove(uplink: Uplink): void {
    this.leaving.delete(uplink);
    const number = uplink.connection?.number ?? -1;
    if (this.byNumber.get(number) === uplink) this.byNumber.delete(number);
  }

  /** A client has left. */
  left(connection: Connection): void {
    this.greeting.get(connection)?.close();
    this.greeting.delete(connection);
    const uplink = this.byNumber.get(connection.number);
    if (uplink === undefined) return;
    this.byNumber.delete(connection.number);
    this.leaving.add(uplink);
    uplink.leave();
  }

  closeAll(): void {
    const all = [...this.byNumber.values(), ...this.leaving, ...this.greeting.values()];
    for (const uplink of all) uplink.close();
  }

  private make(number: number): Uplink | undefined {
    const { registry } = this.attachment.driver;
    const connection = registry.connections.get(uniqueName(number));
    if (connection === undefined || this.attachment.ghosts.isGhost(connection)) return undefined;
    const uplink = new Uplink(this.attachment, connection);
    this.enter(uplink);
    return uplink;
  }
}
