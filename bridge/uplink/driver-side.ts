import type { Handle } from '#core/index.js';
import type { AttachedBus, Decided, NameClaim } from '#bridge/driver/attached-bus.js';
import { DriverError, ErrorName } from '#bridge/driver/driver-error.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { SentMessage } from '#bridge/registry/envelope.js';
import type { MatchRule } from '#bridge/registry/match-rule.js';
import { RequestNameFlag } from '#bridge/registry/name-queue.js';
import type { NameChange } from '#bridge/registry/names.js';
import { bodyOf } from '#bridge/wire/typed-body.js';
import { MessageType } from '#bridge/wire/types.js';
import type { Attachment } from './attachment.js';
import type { Uplink } from './uplink.js';

/** The driver's interface to the other bus. */
export class DriverSide implements AttachedBus {
  private readonly attachment: Attachment;

  constructor(attachment: Attachment) {
    this.attachment = attachment;
  }

  get activatableNames(): readonly string[] {
    const names = this.attachment.watcher?.activatable ?? [];
    return names.filter((name) => this.attachment.imports.patterns.matches(name));
  }

  greet(connection: Connection, named: (number: number) => void): boolean {
    return this.attachment.uplinks.greet(connection, named);
  }

  lookUp(name: string, asker: Connection, done: () => void): boolean {
    const { attachment } = this;
    if (!attachment.mayAddress(name, asker)) return false;
    attachment.ghosts.lookUp(name, () => {
      done();
      attachment.host.settle();
    });
    return true;
  }

  claim(connection: Connection, name: string, flags: number, claim: NameClaim): boolean {
    const { driver, ghosts, exports, migrations } = this.attachment;
    if (migrations.offer(connection, name, flags, claim)) return true;
    const owner = driver.registry.names.primary(name);
    const ghost = owner === undefined ? undefined : ghosts.of(owner);
    if (ghost !== undefined) {
      /* a program that learns that the name exists will call its owner, so it must be able to see that owner */
      if ((flags & RequestNameFlag.DoNotQueue) !== 0) claim.grant();
      else claim.refuse(exports.clash(name, connection, ghost.text));
      return true;
    }
    if (!exports.patterns.matches(name)) return false;
    exports.claim(connection, name, flags, (refusal) => {
      if (refusal === undefined) claim.grant();
      else claim.refuse(refusal);
    });
    return true;
  }

  nameLeft(name: string, connection: Connection): void {
    this.attachment.exports.release(connection, name);
  }

  emitted(connection: Connection, message: SentMessage): void {
    this.attachment.emitted(connection, message);
  }

  nameChanged({ name, newOwner }: NameChange<Connection>): void {
    if (newOwner !== undefined) this.attachment.gate?.close(name);
  }

  subscribe(rule: MatchRule, connection: Connection, decided: Decided): boolean {
    const uplink = this.uplinkOf(connection);
    if (uplink === undefined || !uplink.rules.concerns(rule)) return false;
    uplink.rules.add(rule, decided);
    return true;
  }

  unsubscribe(rule: MatchRule, connection: Connection, removed: () => void): boolean {
    return this.attachment.uplinks.find(connection)?.rules.remove(rule, removed) === true;
  }

  /** Whether the other bus starts this service: not if its name is exported, and so owned here. */
  startsThere(name: string): boolean {
    const { exports } = this.attachment;
    return !exports.patterns.matches(name) && this.activatableNames.includes(name);
  }

  start(
    connection: Connection,
    name: string,
    started: (code: number) => void,
    failed: (error: DriverError) => void,
  ): boolean {
    const uplink = this.uplinkOf(connection);
    if (uplink === undefined || !this.attachment.imports.patterns.matches(name)) return false;
    uplink.whenReady((link, failure) => {
      if (link === undefined) return failed(new DriverError(failure!.errorName, failure!.text));
      link.call('StartServiceByName', 'su', [name, 0], (reply) => {
        if (reply === undefined)
          return failed(new DriverError(ErrorName.NoReply, 'The other bus is gone'));
        const [result] = reply.body;
        const isError = reply.type === MessageType.Error;
        if (isError)
          return failed(new DriverError(reply.errorName ?? ErrorName.Failed, String(result)));
        /* a client that learns that the service runs must be able to find its name */
        const [code] = bodyOf(reply, 'u') ?? [];
        if (code === undefined)
          return failed(new DriverError(ErrorName.Failed, 'The other bus sent an invalid reply'));
        this.attachment.watcher?.sync(() => started(code));
      });
    });
    return true;
  }

  gateFor(name: string, sender: Connection): Handle | undefined {
    const { imports, ghosts, gate } = this.attachment;
    if (name.startsWith(':'))
      return this.attachment.mayAddress(name, sender) ? gate?.open(name) : undefined;
    const isTheirs = imports.patterns.matches(name) && !ghosts.isGhost(sender);
    return isTheirs ? gate?.open(name) : undefined;
  }

  connectionGone(connection: Connection): void {
    this.attachment.uplinks.left(connection);
    this.attachment.migrations.connectionGone(connection);
  }

  private uplinkOf({ number }: Connection): Uplink | undefined {
    return this.attachment.uplinks.of(number);
  }
}
