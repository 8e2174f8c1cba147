import {
  audiencesOf,
  ClientPolicies,
  compileFacet,
  DRIVER_PARTY,
  describeRefusal,
  Flow,
  type ClientPolicy,
  type Facet,
  type Party,
  type PolicyRules,
} from '#policy/index.js';

import type { MessageHeader } from '#bridge/wire/header.js';
import { describeMessage } from '#bridge/wire/header-text.js';

import { gidsOf, type Connection } from './connection.js';

/** The uid of a client without credentials: no rule names it. */
const NOBODY = -1;

/** What was decided for each sender and receiver. */
type FacetTable = WeakMap<Party, WeakMap<Party, Facet | null>>;

/** Facets for what a sender may do with a handle, and for what may come back through reply handles. */
export interface Grant {
  readonly facet: Facet | null;
  readonly replyFacet: Facet | null;
}

/**
 * The policy, asked when a handle is handed out. What was granted holds for one `epoch`: a reload, or a name that
 * some rule mentions changing hands, begins a new one, in which everything is decided again on first use.
 */
export class Grants {
  epoch = 1;
  /** facets that were compiled since the start */
  compiled = 0;
  private policies: ClientPolicies;
  private readonly mentionedNames = new Set<string>();
  private mentionedPrefixes: string[] = [];
  private directedFacets: FacetTable = new WeakMap();
  private broadcastFacets: FacetTable = new WeakMap();
  private replyFacets: FacetTable = new WeakMap();

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
    for (const connection of connections) this.classify(connection);
    this.newEpoch();
  }

  /** Finds the rules that apply to a connection's user and groups. */
  classify(connection: Connection): void {
    connection.policy = this.policyFor(connection);
  }

  /** A connection gained or lost a name. */
  nameMoved(name: string): void {
    const mentioned =
      this.mentionedNames.has(name) ||
      this.mentionedPrefixes.some((prefix) => name === prefix || name.startsWith(`${prefix}.`));
    if (mentioned) this.newEpoch();
  }

  between(sender: Party, receiver: Party): Grant {
    this.compiled += 2;
    return {
      facet: compileFacet(sender, receiver, Flow.Directed),
      replyFacet: compileFacet(receiver, sender, Flow.RequestedReply),
    };
  }

  /**
   * A service that is yet to start has no rules of its own, and one name: what the sender may send to that is decided
   * before it is started, and what the service may receive when it is there.
   */
  withServiceToStart(sender: Party, name: string): Grant {
    return this.between(sender, { policy: undefined, names: new Set([name]) });
  }

  /** What a connection sends to the driver; decided once an epoch. */
  toDriver(sender: Connection): Facet | null {
    return this.known(this.directedFacets, sender, DRIVER_PARTY, Flow.Directed);
  }

  /** What the driver sends to a connection: signals and replies; decided once an epoch. */
  fromDriver(receiver: Connection): Grant {
    return {
      facet: this.known(this.directedFacets, DRIVER_PARTY, receiver, Flow.Directed),
      replyFacet: this.known(this.replyFacets, DRIVER_PARTY, receiver, Flow.RequestedReply),
    };
  }

  /** For one subscriber of a sender's signals; decided once an epoch. Sender undefined: the driver. */
  broadcastFacet(sender: Connection | undefined, receiver: Connection): Facet | null {
    return this.known(this.broadcastFacets, sender ?? DRIVER_PARTY, receiver, Flow.Broadcast);
  }

  /** For what `callee` answers to a call that came from another process; decided once an epoch. */
  replyFacet(callee: Connection, caller: Connection): Facet | null {
    return this.known(this.replyFacets, callee, caller, Flow.RequestedReply);
  }

  /** The facet for an eavesdropper: a connection that sees a message which is addressed to another. */
  eavesdropFacet(sender: Connection | undefined, receiver: Connection): Facet | null {
    return compileFacet(sender ?? DRIVER_PARTY, receiver, Flow.Eavesdropped);
  }

  private known(pairs: FacetTable, sender: Party, receiver: Party, flow: Flow): Facet | null {
    let facets = pairs.get(sender);
    if (facets === undefined) pairs.set(sender, (facets = new WeakMap()));
    let facet = facets.get(receiver);
    if (facet === undefined) {
      this.compiled++;
      facet = compileFacet(sender, receiver, flow);
      facets.set(receiver, facet);
    }
    return facet;
  }

  private newEpoch(): void {
    this.epoch = (this.epoch + 1) & 0x3fffffff;
    this.directedFacets = new WeakMap();
    this.broadcastFacets = new WeakMap();
    this.replyFacets = new WeakMap();
  }

  private policyFor({ credentials }: Connection): ClientPolicy {
    const { uid = NOBODY, atConsole } = credentials;
    const client = {
      uid,
      get gids() {
        return gidsOf(credentials);
      },
      atConsole,
    };
    return this.policies.for(client);
  }

  private noteMentioned(rules: PolicyRules): void {
    this.mentionedNames.clear();
    this.mentionedPrefixes = [];
    for (const [, list] of audiencesOf(rules)) {
      for (const rule of list) {
        if (rule.kind !== 'send' && rule.kind !== 'receive') continue;
        if (rule.peerName !== undefined) this.mentionedNames.add(rule.peerName);
        if (rule.peerPrefix !== undefined) this.mentionedPrefixes.push(rule.peerPrefix);
      }
    }
  }
}

/** The error text for the sender of a message that `facet` has just refused. */
export function denialText(facet: Facet, header: MessageHeader): string {
  return `Rejected send message: ${describeRefusal(facet)}; ${describeMessage(header)}`;
}
