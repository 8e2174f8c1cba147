import { DriverError, ErrorName } from '#bridge/driver/driver-error.js';
import type { Connection } from '#bridge/registry/connection.js';
import { RequestNameFlag, RequestNameReply } from '#bridge/registry/name-queue.js';
import { credentialsIn } from '#bridge/wire/connection-credentials.js';
import { MessageType } from '#bridge/wire/types.js';
import type { Attachment } from './attachment.js';
import type { BusLink } from './bus-link.js';
import { NamePatterns } from './name-patterns.js';
import { processText } from './process-text.js';
import { Turns } from './turns.js';
import type { Uplink } from './uplink.js';

/** Called when the other bus has decided: with its refusal, if there is one. */
export type ClaimDone = (refusal: DriverError | undefined) => void;

/** The name already has an owner on the other bus. */
export const NAME_CLASH = 'org.bus1.Error.NameClash';

/**
 * Names of this bus that are reachable on the other one: their owners own them there as well, through their
 * uplinks. A name that has another owner there cannot be owned here.
 */
export class Exports {
  patterns = new NamePatterns([]);
  private readonly attachment: Attachment;
  private readonly turns = new Turns();

  constructor(attachment: Attachment) {
    this.attachment = attachment;
  }

  /**
   * A client requests an exported name here, with the flags of RequestName: the name is first requested on the other
   * bus, unless that bus cannot be reached. Requests for one name are dealt with one after the other, so that both
   * buses decide in the same order.
   */
  claim(connection: Connection, name: string, flags: number, done: ClaimDone): void {
    const uplink = this.attachment.uplinks.of(connection.number);
    if (uplink === undefined || !this.attachment.isUp) return done(undefined);
    const { confinement } = uplink.access;
    if (confinement !== undefined && !uplink.reaches(name)) {
      const { errorName, text } = this.attachment.refusalOf(connection, confinement);
      return done(new DriverError(errorName, text));
    }
    this.turns.take(name, (end) => {
      const finish: ClaimDone = (refusal) => {
        done(refusal);
        end();
      };
      if (!connection.live) return finish(undefined);
      uplink.whenReady((link) => {
        if (link === undefined) finish(undefined);
        else this.request(uplink, link, name, flags, finish);
      });
    });
  }

  /** A client has left the queue for a name here. */
  release(connection: Connection, name: string): void {
    const uplink = this.attachment.uplinks.find(connection);
    if (uplink === undefined || !uplink.claims.delete(name)) return;
    if (uplink.link?.isReady === true) uplink.link.call('ReleaseName', 's', [name], () => {});
  }

  /** Another client of the other bus has taken a name that `uplink` owned there. */
  lost(uplink: Uplink, name: string): void {
    const { attachment } = this;
    const { connection, link } = uplink;
    if (connection === undefined || link === null || attachment.migrations.isMoving(name)) return;
    this.ownerOf(link, name, (farOwner) => {
      if (farOwner !== '' && attachment.uplinks.isOurs(farOwner)) return;
      if (!uplink.claims.delete(name)) return;
      /* otherwise it would get the name back there, and not here */
      link.call('ReleaseName', 's', [name], () => {});
      this.describe(link, farOwner, (winner) => this.giveUp(connection, name, winner));
    });
  }

  /** The other bus has closed an uplink, but is still there. */
  uplinkLost({ claims, connection }: Uplink, reason: string): void {
    const names = [...claims.keys()];
    claims.clear();
    if (connection === undefined) return this.attachment.doorkeeper.review();
    if (!connection.live) return;
    for (const name of names)
      this.giveUp(connection, name, `nobody: the other bus closed the connection (${reason})`);
  }

  /** Replaces the patterns of exported names. */
  setPatterns(patterns: NamePatterns): void {
    this.patterns = patterns;
    for (const { claims, connection } of this.attachment.uplinks.all()) {
      if (connection === undefined) continue;
      for (const name of claims.keys()) {
        const isMoving = this.attachment.migrations.isMoving(name);
        if (!patterns.matches(name) && !isMoving) this.release(connection, name);
      }
    }
    this.restore(false);
  }

  /**
   * Requests on the other bus all exported names that are owned here, after the patterns have changed or, with
   * `isAnew`, after the other bus has come (back). If such a name has another owner there, that one keeps it: our
   * owner is queued there or, with `isAnew`, loses the name here.
   */
  restore(isAnew: boolean): void {
    const { registry } = this.attachment.driver;
    for (const name of registry.names.list()) {
      if (!this.patterns.matches(name)) continue;
      for (const connection of registry.names.queuedOwners(name))
        this.restoreClaim(connection, name, isAnew);
    }
  }

  /** The error for `connection`, which cannot own `name`; it describes both owners with their programs. */
  clash(name: string, connection: Connection, owner: string): DriverError {
    const { address } = this.attachment;
    return new DriverError(
      NAME_CLASH,
      `${connection.uniqueName} (${processText(connection.credentials.pid)}) cannot own ${name}: on the bus at ` +
        `${address} it is owned by ${owner}; stop that one first, or let the bridge neither import nor export the name`,
    );
  }

  private restoreClaim(connection: Connection, name: string, isAnew: boolean): void {
    const { attachment } = this;
    const uplink = attachment.uplinks.of(connection.number);
    if (uplink === undefined || uplink.claims.has(name) || !uplink.reaches(name)) return;
    uplink.whenReady((link) => {
      const isStillHere = attachment.driver.registry.names.queuedOwners(name).includes(connection);
      if (link === undefined || !isStillHere || uplink.claims.has(name)) return;
      uplink.claims.set(name, 0);
      link.call('RequestName', 'su', [name, this.flagsFor(name, 0)], (reply) => {
        if (reply?.body[0] !== RequestNameReply.InQueue) return;
        this.foreignOwner(link, name, (owner) => {
          if (owner !== undefined) this.comesSecond(connection, name, owner, isAnew);
        });
      });
    });
  }

  private comesSecond(connection: Connection, name: string, owner: string, isAnew: boolean): void {
    if (isAnew) {
      this.release(connection, name);
      this.giveUp(connection, name, owner);
    } else {
      const why = 'an exported name is owned on the other bus: the owner here is queued there';
      this.attachment.log('warn', why, { name, owner });
    }
  }

  private request(
    uplink: Uplink,
    link: BusLink,
    name: string,
    flags: number,
    done: ClaimDone,
  ): void {
    const isNew = !uplink.claims.has(name);
    const before = this.uplinkOwning(name, uplink);
    if (before !== undefined) uplink.arriving.add(name);
    const end: ClaimDone = (refusal) => {
      done(refusal);
      uplink.inbound.arrived(name);
    };
    /* set before the reply comes: broadcasts of the client are passed on from now on, behind the RequestName */
    uplink.claims.set(name, flags);
    link.call('RequestName', 'su', [name, this.flagsFor(name, flags)], (reply) => {
      const code = reply?.body[0];
      if (reply === undefined) return end(undefined);
      if (reply.type === MessageType.Error) {
        uplink.claims.delete(name);
        return end(new DriverError(reply.errorName ?? ErrorName.Failed, String(code)));
      }
      if (code === RequestNameReply.PrimaryOwner || code === RequestNameReply.AlreadyOwner) {
        /* what was sent to the previous owner is delivered before what is sent to the new one */
        if (before === undefined) return end(undefined);
        return before.whenHeard(() => end(undefined));
      }
      this.foreignOwner(link, name, (owner) => {
        if (code === RequestNameReply.Exists) uplink.claims.delete(name);
        if (owner === undefined) return end(undefined);
        if (code === RequestNameReply.Exists)
          return this.attachment.imports.borrow(name, () => end(undefined));
        if (isNew) this.release(uplink.connection!, name);
        end(this.clash(name, uplink.connection!, owner));
      });
    });
  }

  /** Another uplink, through which messages to this name come in until `claimant` owns it. */
  private uplinkOwning(name: string, claimant: Uplink): Uplink | undefined {
    const { doorkeeper, driver, uplinks } = this.attachment;
    const owner = driver.registry.owner(name);
    const uplink = owner === undefined ? doorkeeper.uplinkFor(name) : uplinks.find(owner);
    return uplink === claimant ? undefined : uplink;
  }

  /** Adds ReplaceExisting if the doorkeeper holds the name for a service that has yet to start. */
  private flagsFor(name: string, flags: number): number {
    return this.attachment.doorkeeper.holds(name) ? flags | RequestNameFlag.ReplaceExisting : flags;
  }

  /** Takes a name that was lost on the other bus away from its owner here. */
  private giveUp(connection: Connection, name: string, winner: string): void {
    const { driver } = this.attachment;
    if (!driver.registry.names.queuedOwners(name).includes(connection)) return;
    const pid = connection.credentials.pid;
    this.attachment.log('warn', 'an exported name was lost on the other bus', {
      name,
      pid,
      to: winner,
    });
    driver.takeName(name, connection);
    this.attachment.host.settle();
  }

  /** Calls back with the owner of a name on the other bus; undefined if that is one of our own connections. */
  foreignOwner(link: BusLink, name: string, done: (owner: string | undefined) => void): void {
    this.ownerOf(link, name, (farOwner) => {
      if (farOwner === '' || this.attachment.uplinks.isOurs(farOwner)) done(undefined);
      else this.describe(link, farOwner, done);
    });
  }

  private ownerOf(link: BusLink, name: string, done: (farOwner: string) => void): void {
    link.call('GetNameOwner', 's', [name], (reply) => {
      done(reply?.type === MessageType.MethodReturn ? String(reply.body[0]) : '');
    });
  }

  private describe(link: BusLink, farOwner: string, done: (owner: string) => void): void {
    if (farOwner === '') return done('nobody');
    link.call('GetConnectionCredentials', 's', [farOwner], (reply) => {
      done(`${farOwner} (${processText(credentialsIn(reply)?.pid)})`);
    });
  }
}
