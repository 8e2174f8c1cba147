import type { Attachment } from './attachment.js';
import type { Turn } from './migration.js';
import { NamePatterns } from './name-patterns.js';

/** The names of the other bus that are reachable here, and who owns them there. */
export class Imports {
  patterns = new NamePatterns([]);
  private readonly attachment: Attachment;
  /** owners over there, as last heard; the bridge may not have been told yet */
  private readonly heard = new Map<string, string>();
  /** how many of these names somebody owns, as heard; a loss counts when the bridge has been told */
  private readonly ownedCount = new Map<string, number>();
  /** who waits for the bridge to be told that this connection owns a name */
  private readonly awaited = new Map<string, (() => void)[]>();
  /** exported names that somebody owns over there, for as long as he does */
  private readonly borrowed = new Set<string>();
  /** connections that were heard and own none of these names */
  private readonly strangers = new Set<string>();

  constructor(attachment: Attachment) {
    this.attachment = attachment;
  }

  /** Owned names and their owners' unique names over there. */
  get owned(): ReadonlyMap<string, string> {
    return this.heard;
  }

  /** Whether this connection of the other bus owns an imported name, or did until a moment ago. */
  isOwner(farName: string): boolean {
    return this.ownedCount.has(farName);
  }

  /** Calls back as soon as the bridge has been told that this connection, an owner, owns a name. */
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
   * Somebody over there owns an exported name, and a client was told so that wants to turn to him: the name is imported
   * until he gives it up. Calls back when its owner is known here.
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

  /** A name has changed hands over there; `farOwner` '': nobody has it. Names that are not imported are passed over. */
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
   * Other names are imported from now on: those that are no longer are given up. Who asks for the owners of the new
   * ones calls `changed`.
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
