import { Access, highestAccess, lets, NameRules, type MessageKind } from './name-rules.js';
import type { NameRule, RuleSubject } from './name-rules.js';

/** How many connections of each kind are remembered: owners of names in the rules, and senders to the client. */
const REMEMBERED_MAX = 65_536;

/** What one client may do with which name, and what it has learned of unique names (xdg-dbus-proxy(1), "Policy"). */
export class VisibleNames {
  private rules: NameRules;
  /** `--sloppy-names` */
  private readonly showsUniqueNames: boolean;
  /** by unique name: what was granted because of a message, whatever the connection owns */
  private readonly granted = new Map<string, Access>();
  /** by unique name: all names that it has ever owned, since what a name grants outlasts the ownership */
  private readonly owned = new Map<string, Set<string>>();

  constructor(rules: NameRules, showsUniqueNames: boolean) {
    this.rules = rules;
    this.showsUniqueNames = showsUniqueNames;
  }

  /** Keeps what is known about unique names. */
  setRules(rules: NameRules): void {
    this.rules = rules;
  }

  accessTo(name: string): Access {
    // A message without destination is for the bus itself, or for everybody.
    if (name === '') return Access.Talk;
    const own = highestAccess(this.rulesFor(name));
    const granted = this.granted.get(name) ?? Access.None;
    return own > granted ? own : granted;
  }

  /** Whether the client gets NameOwnerChanged for the name. */
  isChangeShown(name: string): boolean {
    return (this.showsUniqueNames && name.startsWith(':')) || this.accessTo(name) >= Access.See;
  }

  /** Whether a message to (`call`) or from (`broadcast`) this name passes. */
  lets(name: string, kind: MessageKind, subject: RuleSubject): boolean {
    if (name === '' || (this.granted.get(name) ?? Access.None) >= Access.Talk) return true;
    return lets(this.rulesFor(name), kind, subject);
  }

  grant(uniqueName: string, access: Access): void {
    if ((this.granted.get(uniqueName) ?? Access.None) < access) {
      this.granted.set(uniqueName, access);
      if (this.granted.size > REMEMBERED_MAX) this.forgetOldest();
    }
  }

  /** The client's own name, which it may talk to, is not forgotten. */
  private forgetOldest(): void {
    for (const [name, access] of this.granted) {
      if (access < Access.Talk) return void this.granted.delete(name);
    }
  }

  /** `uniqueName` owns a name. Only names that rules are about are remembered. */
  noteOwner(name: string, uniqueName: string): void {
    if (highestAccess(this.rules.of(name)) === Access.None) return;
    const names = this.owned.get(uniqueName);
    if (names !== undefined) return void names.add(name);
    this.owned.set(uniqueName, new Set([name]));
    if (this.owned.size > REMEMBERED_MAX) this.owned.delete(this.owned.keys().next().value!);
  }

  private rulesFor(name: string): NameRule[] {
    if (!name.startsWith(':')) return this.rules.of(name);
    return [...(this.owned.get(name) ?? [])].flatMap((owned) => this.rules.of(owned));
  }
}
