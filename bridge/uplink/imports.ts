import type { Attachment } from './attachment.js';
import type { Turn } from './migration.js';
import { NamePatterns } from './name-patterns.js';

/** The names of the other bus that are reachable here, and who owns them there. */
export class Imports {
  patterns = new NamePatterns([]);
  private readonly attachment: Attachment;
  /** owners on the other bus, as last reported; they may not have been announced on the bridge yet */
  private readonly heard = new Map<string, string>();
  /** number of imported names owned, per owner; decremented after the loss was announced here */
  private readonly ownedCount = new Map<string, number>();
  /** callbacks to run once a name of this connection has been announced on the bridge */
  private readonly awaited = new Map<string, (() => void)[]>();
  /** exported names that are also imported for as long as they have an owner on the other bus */
  private readonly borrowed = new Set<string>();
  /** connections that have sent a message and own no imported name */
  private readonly strangers = new Set<string>();

  constructor(attachment: Attachment) {
    this.attachment = attachment;
  }

  /** Owned names, with their owners' unique names on the other bus. */
  get owned(): ReadonlyMap<string, string> {
    return this.heard;
  }

  /** Whether this connection of the other bus owns an imported name, or did until a moment ago. */
  isOwner(farName: string): boolean {
    return this.ownedCount.has(farName);
  }

  /**
   * Calls back as soon as the name of this connection, an owner on the other bus, has been announced on the bridge.
   */
  whenTold(farName: string, done: () => void): void {
    const waiting = this.awaited.get(farName);
    if (waiting === undefined) this.awaited.set(farName, [done]);
    else waiting.push(done);
  }

  isStranger(farName: string): boolean {
    return this.strangers.has(farName);
  }

  noteStranger(farName: string): void {
    this.strangers.add(farName);
  }

  /**
   * A client has learned that an exported name is owned on the other bus, and will call its owner: the name is
   * imported until that owner gives it up. Calls back when the owner is known here.
   */
  borrow(name: string, done: () => void): void {
    const { attachment } = this;
    attachment.defer(() => {
      this.borrowed.add(name);
      attachment.setPatterns(this.patterns.with(name), attachment.exports.patterns, done);
    });
  }

  private giveBack(name: string): void {
    const { attachment } = this;
    if (!this.borrowed.delete(name)) return;
    attachment.defer(() =>
      attachment.setPatterns(this.patterns.without(name), attachment.exports.patterns, () => {}),
    );
  }

  /** A connection has left the other bus. */
  forget(farName: string): void {
    this.strangers.delete(farName);
  }

  /**
   * A name has changed hands on the other bus; `farOwner` '': it has no owner. Names that are not imported are
   * ignored.
   */
  changed(name: string, farOwner: string): void {
    const { attachment } = this;
    const isImported =
      this.patterns.matches(name) && farOwner !== '' && !attachment.uplinks.isOurs(farOwner);
    const before = this.heard.get(name);
    const owner = isImported ? farOwner : undefined;
    const turn = attachment.migrations.turnOf(name, farOwner);
    if (before === owner && turn === undefined) return;
    if (before !== owner) this.note(name, owner);
    if (owner === undefined) this.giveBack(name);
    const conditions: ((met: () => void) => void)[] = [];
    if (before !== undefined) conditions.push((met) => attachment.hearOut(before, met));
    if (owner !== undefined) conditions.push((met) => attachment.ghosts.adopt(owner, met));
    if (turn !== undefined) conditions.push((met) => turn.settle(met));
    attachment.changes.add(() => this.apply(name, before, owner, turn), conditions);
  }

  /**
   * Changes the imported names: those that no longer are imported are given up. The caller finds the owners of the
   * new ones and calls `changed`.
   */
  setPatterns(patterns: NamePatterns): void {
    this.patterns = patterns;
    for (const [name, owner] of this.heard) if (!patterns.matches(name)) this.changed(name, owner);
  }

  /** The other bus is gone. */
  clear(): void {
    this.heard.clear();
    this.ownedCount.clear();
    this.awaited.clear();
    this.strangers.clear();
  }

  private apply(
    name: string,
    before: string | undefined,
    owner: string | undefined,
    turn: Turn | undefined,
  ): void {
    const { ghosts, host } = this.attachment;
    /* in this order, so that the name passes from one to the other and is never without an owner */
    if (owner !== undefined) ghosts.find(owner)?.own(name);
    turn?.apply();
    if (before !== undefined) ghosts.find(before)?.disown(name);
    host.settle();
    if (before !== undefined) this.lose(before);
    if (owner === undefined) return;
    const waiting = this.awaited.get(owner) ?? [];
    this.awaited.delete(owner);
    for (const done of waiting) done();
  }

  private note(name: string, owner: string | undefined): void {
    if (owner === undefined) this.heard.delete(name);
    else {
      this.heard.set(name, owner);
      this.ownedCount.set(owner, (this.ownedCount.get(owner) ?? 0) + 1);
      this.strangers.delete(owner);
    }
  }

  private lose(before: string): void {
    const left = (this.ownedCount.get(before) ?? 1) - 1;
    if (left === 0) this.ownedCount.delete(before);
    else this.ownedCount.set(before, left);
  }
}
