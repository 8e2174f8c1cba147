import { MatchRuleFault, parseMatchRule } from '#bridge/registry/match-rule.js';
import { OWN_PREFIX } from './mappings-bus.js';

/** The traffic from one connection to one destination. */
export interface Dealings {
  /** unique name of the caller */
  readonly from: string;
  /** the name that is called: well-known if the owner has one, otherwise unique */
  readonly to: string;
  readonly calls: number;
  /** has subscribed to its signals */
  readonly listens: boolean;
}

/** `:1.9` comes before `:1.10`. */
const byNumber = new Intl.Collator('en', { numeric: true });

interface Count {
  calls: number;
  listens: boolean;
}

/** What a monitor has seen of a bus: the owners of names, and which client calls which. */
export class Traffic {
  /** by well-known name; the last owner, if there is none now */
  readonly owners = new Map<string, string>();
  /** method calls between connections, without those to the bus itself */
  calls = 0;
  /** connections that ask for others' credentials: for a client of a bridge they would get the bridge's */
  readonly askers = new Set<string>();
  private readonly counts = new Map<string, Map<string, Count>>();

  /** A name has this owner. */
  owned(name: string, owner: string): void {
    const isService = !name.startsWith(':') && !name.startsWith(OWN_PREFIX);
    if (isService && owner !== '') this.owners.set(name, owner);
  }

  called(from: string, to: string): void {
    if (to.startsWith(OWN_PREFIX)) return;
    this.calls++;
    this.countOf(from, to).calls++;
  }

  /** A client asks the bus for the credentials behind a name. */
  identified(from: string): void {
    this.askers.add(from);
  }

  /** AddMatch. Rules without a sender say nothing about whose signals are meant. */
  asked(from: string, ruleText: string): void {
    const rule = parseMatchRule(ruleText);
    if (rule instanceof MatchRuleFault || rule.sender === undefined) return;
    this.countOf(from, rule.sender).listens = true;
  }

  /** Well-known names of a connection, sorted. */
  namesOf(owner: string): string[] {
    return [...this.owners].flatMap(([name, own]) => (own === owner ? [name] : [])).toSorted();
  }

  /** Sorted by caller and by callee. */
  dealings(): Dealings[] {
    const merged = new Map<string, Dealings>();
    for (const [from, destinations] of this.counts) {
      for (const [destination, { calls, listens }] of destinations) {
        const to = this.owners.has(destination)
          ? destination
          : (this.namesOf(destination)[0] ?? destination);
        const isSelf = from === to || this.owners.get(to) === from;
        if (isSelf || to === 'org.freedesktop.DBus') continue;
        const before = merged.get(`${from} ${to}`);
        merged.set(`${from} ${to}`, {
          from,
          to,
          calls: calls + (before?.calls ?? 0),
          listens: listens || before?.listens === true,
        });
      }
    }
    return [...merged]
      .toSorted(([a], [b]) => byNumber.compare(a, b))
      .map(([, dealings]) => dealings);
  }

  /**
   * Which names depend on which: those whose owner has called or listens to another. Names of one connection cannot be
   * moved one by one, so they depend on each other.
   */
  dependencies(): Map<string, Set<string>> {
    const all = new Map<string, Set<string>>();
    const dealings = this.dealings();
    for (const [name, owner] of this.owners) {
      const needed = dealings.filter(({ from }) => from === owner).map(({ to }) => to);
      const siblings = this.namesOf(owner);
      const others = [...needed, ...siblings].filter((other) => other !== name);
      all.set(name, new Set(others.filter((other) => !other.startsWith(':'))));
    }
    for (const { to } of dealings) if (!to.startsWith(':') && !all.has(to)) all.set(to, new Set());
    return all;
  }

  private countOf(from: string, to: string): Count {
    let destinations = this.counts.get(from);
    if (destinations === undefined) this.counts.set(from, (destinations = new Map()));
    let count = destinations.get(to);
    if (count === undefined) destinations.set(to, (count = { calls: 0, listens: false }));
    return count;
  }
}
