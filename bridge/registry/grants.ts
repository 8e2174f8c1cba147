import {
  allRules,
  ClientPolicies,
  compileFacet,
  DRIVER_PARTY,
  Flow,
  mightConfine,
  nameHasPrefix,
  type ClientPolicy,
  type Confinement,
  type Facet,
  type Party,
  type PolicyRules,
} from '#policy/index.js';

import {
  identityOf,
  NOBODY,
  type Connection,
  type Credentials,
  NO_STANDING,
  type Standing,
  type Subject,
} from './connection.js';

/** Facets for what a sender may do with a handle, and for what may come back through reply handles. */
export interface Grant {
  readonly facet: Facet | null;
  readonly replyFacet: Facet | null;
}

/** The facets that check messages from one standing to another, by flow; compiled on first use. */
class Relation {
  [Flow.Directed]: Facet | null | undefined = undefined;
  [Flow.RequestedReply]: Facet | null | undefined = undefined;
  [Flow.UnrequestedReply]: Facet | null | undefined = undefined;
  [Flow.Broadcast]: Facet | null | undefined = undefined;
  [Flow.Eavesdropped]: Facet | null | undefined = undefined;
}

/** Users and mentioned names are few, and so are standings; the bound is for hostile combinations of names. */
const STANDINGS_MAX = 1024;

/**
 * The policy, asked when a handle is handed out. A decision for two standings holds as long as both exist. A
 * connection gets another standing when a reload, or a name that some rule mentions, changes which rules apply to it;
 * the grants of all others stay as they are.
 */
export class Grants {
  /** facets that were compiled since the start */
  compiled = 0;
  /** the policy denies no message to anyone */
  isOpen = true;
  private policies: ClientPolicies;
  private readonly mentionedNames = new Set<string>();
  private mentionedPrefixes: string[] = [];
  /** by rules, then by the names that matter */
  private standings = new Map<ClientPolicy | undefined, Map<string, Standing>>();
  private standingCount = 0;
  private relations = new WeakMap<Standing, WeakMap<Standing, Relation>>();
  private readonly driver: Standing = DRIVER_PARTY;
  /* cache of the last relation: messages between the same two come in runs */
  private lastSender: Standing | null = null;
  private lastReceiver: Standing | null = null;
  private lastRelation = new Relation();

  constructor(rules: PolicyRules) {
    this.policies = new ClientPolicies(rules);
    this.noteMentioned(rules);
  }

  get rules(): PolicyRules {
    return this.policies.rules;
  }

  /** New rules, in force for everybody from the next message on. */
  reload(rules: PolicyRules, connections: Iterable<Connection>): void {
    this.policies = new ClientPolicies(rules);
    this.noteMentioned(rules);
    this.standings = new Map();
    this.standingCount = 0;
    for (const connection of connections) this.classify(connection);
  }

  /** What a client sees of the bus; undefined: everything. */
  confinementOf(credentials: Credentials): Confinement | undefined {
    const { policies } = this;
    return policies.rules.roles.length === 0
      ? undefined
      : policies.for(identityOf(credentials)).confinement;
  }

  /** Whether some role would confine the client if its process were known. */
  mightConfine(credentials: Credentials): boolean {
    const { roles } = this.policies.rules;
    return roles.some((role) => mightConfine(role, identityOf(credentials)));
  }

  /** Finds the rules that apply to a connection's user and groups. */
  classify(connection: Connection): void {
    this.place(connection, this.policyFor(connection));
  }

  /** A connection gained or lost a name. */
  nameMoved(name: string, connection: Subject): void {
    if (this.isMentioned(name) && connection.standing !== NO_STANDING)
      this.place(connection, connection.standing.policy);
  }

  between(sender: Subject, receiver: Subject): Grant {
    return this.grant(sender.standing, receiver.standing);
  }

  /**
   * The grant for a service that is not running: it has one name and no rules of its own. What the sender may send to
   * it is decided before it is started, what the service may receive once it runs.
   */
  withServiceToStart(sender: Subject, name: string): Grant {
    return this.grant(sender.standing, this.standingOf(undefined, new Set([name])));
  }

  /** The facet for what a connection sends to the driver. */
  toDriver(sender: Subject): Facet | null {
    return this.directed(sender.standing, this.driver);
  }

  /** The facet for returns and errors to the driver, which never awaits one. */
  replyToDriver(sender: Subject): Facet | null {
    return this.facet(sender.standing, this.driver, Flow.UnrequestedReply);
  }

  /** The facets for what the driver sends to a connection: signals and replies. */
  fromDriver(receiver: Subject): Grant {
    const { driver } = this;
    return {
      facet: this.directed(driver, receiver.standing),
      replyFacet: this.reply(driver, receiver.standing),
    };
  }

  /** The facet for calls and signals to `receiver` alone. */
  // hot
  directedFacet(sender: Subject, receiver: Subject): Facet | null {
    return this.directed(sender.standing, receiver.standing);
  }

  /** The facet for the reply of `callee` to a call of `caller`. */
  // hot
  replyFacet(callee: Subject, caller: Subject): Facet | null {
    return this.reply(callee.standing, caller.standing);
  }

  /** The facet for one subscriber of a sender's signals. Sender undefined: the driver. */
  // hot
  broadcastFacet(sender: Subject | undefined, receiver: Subject): Facet | null {
    return this.facet(sender?.standing ?? this.driver, receiver.standing, Flow.Broadcast);
  }

  /** The facet for an eavesdropper: a connection that sees a message which is addressed to another. */
  eavesdropFacet(sender: Subject | undefined, receiver: Subject): Facet | null {
    return this.facet(sender?.standing ?? this.driver, receiver.standing, Flow.Eavesdropped);
  }

  private grant(sender: Standing, receiver: Standing): Grant {
    return {
      facet: this.directed(sender, receiver),
      replyFacet: this.reply(receiver, sender),
    };
  }

  // hot
  private directed(sender: Standing, receiver: Standing): Facet | null {
    return this.facet(sender, receiver, Flow.Directed);
  }

  // hot
  private reply(callee: Standing, caller: Standing): Facet | null {
    return this.facet(callee, caller, Flow.RequestedReply);
  }

  // hot
  private facet(sender: Standing, receiver: Standing, flow: Flow): Facet | null {
    const relation = this.relation(sender, receiver);
    const known = relation[flow];
    if (known !== undefined) return known;
    this.compiled++;
    return (relation[flow] = compileFacet(sender, receiver, flow));
  }

  // hot
  private relation(sender: Standing, receiver: Standing): Relation {
    if (sender === this.lastSender && receiver === this.lastReceiver) return this.lastRelation;
    let relations = this.relations.get(sender);
    if (relations === undefined) this.relations.set(sender, (relations = new WeakMap()));
    let relation = relations.get(receiver);
    if (relation === undefined) relations.set(receiver, (relation = new Relation()));
    this.lastSender = sender;
    this.lastReceiver = receiver;
    this.lastRelation = relation;
    return relation;
  }

  private place(subject: Subject, policy: ClientPolicy | undefined): void {
    subject.standing = this.standingOf(policy, subject.names);
  }

  private standingOf(policy: ClientPolicy | undefined, names: ReadonlySet<string>): Standing {
    const mentioned = this.mentionedAmong(names);
    const key = mentioned.join(' ');
    let byNames = this.standings.get(policy);
    const known = byNames?.get(key);
    if (known !== undefined) return known;
    if (this.standingCount++ >= STANDINGS_MAX) {
      this.standings.clear();
      this.standingCount = 1;
      byNames = undefined;
    }
    if (byNames === undefined) this.standings.set(policy, (byNames = new Map()));
    const standing: Standing = { policy, names: new Set(mentioned) };
    byNames.set(key, standing);
    return standing;
  }

  private mentionedAmong(names: ReadonlySet<string>): readonly string[] {
    if (names.size === 0) return [];
    return [...names].filter((name) => this.isMentioned(name)).toSorted();
  }

  private policyFor({ credentials }: Connection): ClientPolicy {
    return this.policies.for(identityOf(credentials));
  }

  private isMentioned(name: string): boolean {
    return (
      this.mentionedNames.has(name) ||
      this.mentionedPrefixes.some((prefix) => nameHasPrefix(name, prefix))
    );
  }

  private noteMentioned(rules: PolicyRules): void {
    this.mentionedNames.clear();
    this.mentionedPrefixes = [];
    this.isOpen = isOpenToAll(this.policies);
    for (const rule of allRules(rules)) {
      if (rule.kind !== 'send' && rule.kind !== 'receive') continue;
      if (!rule.allow) this.isOpen = false;
      if (rule.peerName !== undefined) this.mentionedNames.add(rule.peerName);
      if (rule.peerPrefix !== undefined) this.mentionedPrefixes.push(rule.peerPrefix);
    }
  }
}

/** Whether a client to which no particular rule applies may send and receive everything. */
function isOpenToAll(policies: ClientPolicies): boolean {
  const anybody: Party = {
    policy: policies.for({ uid: NOBODY, gids: [], atConsole: false }),
    names: new Set(),
  };
  const flows = [Flow.Directed, Flow.RequestedReply];
  return flows.every((flow) => compileFacet(anybody, anybody, flow) === null);
}
