import type { Connection } from '#bridge/registry/connection.js';
import { uniqueName } from '#bridge/registry/envelope.js';
import type { Attachment } from './attachment.js';
import type { Link } from './link.js';
import { Uplink } from './uplink.js';

/** The uplinks of all clients. */
export class Uplinks {
  private readonly attachment: Attachment;
  private readonly byNumber = new Map<number, Uplink>();
  /** those that wait for their last words to be passed on */
  private readonly leaving = new Set<Uplink>();
  /** unique names on the other bus that are ours */
  private readonly ours = new Map<string, Uplink | undefined>();

  constructor(attachment: Attachment) {
    this.attachment = attachment;
  }

  get size(): number {
    return this.byNumber.size + this.leaving.size;
  }

  all(): Uplink[] {
    return [...this.byNumber.values()];
  }

  /** The uplink of the client `:1.number`, which need not be open. Undefined: there is no such client. */
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
    this.ours.set(uplink.farText, uplink);
  }

  /** Whose connection this is on the other bus; undefined: nobody's here. */
  clientBehind(farName: string): Uplink | undefined {
    return this.ours.get(farName);
  }

  /**
   * Calls back when the other bus has dealt with all that clients said before now. A client that does not read is not
   * waited for.
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

  /** A connection of the bridge's own. */
  namedOwn({ uniqueName }: Link): void {
    this.ours.set(uniqueName, undefined);
  }

  unnamed({ uniqueName }: Link): void {
    this.ours.delete(uniqueName);
  }

  remove(uplink: Uplink): void {
    this.leaving.delete(uplink);
    const number = uplink.connection?.number ?? -1;
    if (this.byNumber.get(number) === uplink) this.byNumber.delete(number);
  }

  /** A client has left. */
  left(connection: Connection): void {
    const uplink = this.byNumber.get(connection.number);
    if (uplink === undefined) return;
    this.byNumber.delete(connection.number);
    this.leaving.add(uplink);
    uplink.leave();
  }

  closeAll(): void {
    for (const uplink of [...this.byNumber.values(), ...this.leaving]) uplink.close();
  }

  private make(number: number): Uplink | undefined {
    const { registry } = this.attachment.driver;
    const connection = registry.connections.get(uniqueName(number));
    if (connection === undefined || this.attachment.ghosts.isGhost(connection)) return undefined;
    const uplink = new Uplink(this.attachment, connection);
    this.byNumber.set(number, uplink);
    return uplink;
  }
}
