import type { NameClaim } from '#bridge/driver/attached-bus.js';
import { DriverError, ErrorName } from '#bridge/driver/driver-error.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { Attachment } from './attachment.js';
import type { Migration, MigrationRequest, Turn } from './migration.js';
import { MoveBack } from './move-back.js';
import { MoveHere } from './move-here.js';

/** The names that are on their way from one bus to the other. */
export class Migrations {
  private readonly attachment: Attachment;
  private readonly byName = new Map<string, Migration>();

  constructor(attachment: Attachment) {
    this.attachment = attachment;
  }

  /** @throws DriverError: the name is on its way already, or the other bus is not there */
  start(request: MigrationRequest, isBack: boolean): void {
    const { name } = request;
    if (this.byName.has(name))
      throw new DriverError(ErrorName.Failed, `${name} is already being moved`);
    if (!this.attachment.isUp) {
      const text = `${name} cannot be moved while the bus at ${this.attachment.address} cannot be reached`;
      throw new DriverError(ErrorName.ServiceUnknown, text);
    }
    const Kind = isBack ? MoveBack : MoveHere;
    const migration = new Kind(this.attachment, request);
    this.byName.set(name, migration);
    request.together?.add(migration);
    /* not from within the driver, whose names this changes */
    this.attachment.defer(() => migration.start());
  }

  isMoving(name: string): boolean {
    return this.byName.has(name);
  }

  /** RequestName. False: the name is not on its way here. */
  offer(connection: Connection, name: string, flags: number, claim: NameClaim): boolean {
    return this.byName.get(name)?.offer(connection, flags, claim) === true;
  }

  turnOf(name: string, farOwner: string): Turn | undefined {
    return this.byName.get(name)?.turn(farOwner);
  }

  connectionGone(connection: Connection): void {
    for (const migration of this.byName.values()) migration.connectionGone(connection);
  }

  /** The other bus is gone. */
  abort(reason: string): void {
    const text = `the bus at ${this.attachment.address} is gone: ${reason}`;
    for (const migration of this.byName.values()) migration.abort(text);
  }

  ended(migration: Migration): void {
    if (this.byName.get(migration.name) === migration) this.byName.delete(migration.name);
  }
}
