import type { Handle } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { Facet } from '#policy/index.js';
import type { Attachment } from './attachment.js';
import { StandIn, type StandInNode } from './stand-in.js';

/** The `context` of a node: messages for this name arrive there. */
export class GateSpot {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/**
 * Stands in for imported names without an owner: a message to one of them goes to the other bus, which starts the
 * service or answers that there is none. When a name gets an owner its nodes are released, and senders ask the
 * registry again.
 */
export class Gate extends StandIn {
  readonly farName = null;
  readonly serviceNames: readonly string[] = [];
  private readonly nodes = new Map<string, Set<StandInNode>>();

  constructor(attachment: Attachment) {
    super(attachment, attachment.host.options.uid);
  }

  /** Creates a node for messages to `name`, and returns the registry's handle to it. */
  open(name: string): Handle {
    const { node, handle } = this.peer.createNode(this.attachment.driver.registry.peer);
    node.context = new GateSpot(name);
    const nodes = this.nodes.get(name);
    if (nodes === undefined) this.nodes.set(name, new Set([node]));
    else nodes.add(node);
    return handle;
  }

  /** `name` has an owner, or is no longer imported. */
  close(name: string): void {
    const nodes = this.nodes.get(name);
    if (nodes === undefined) return;
    this.nodes.delete(name);
    this.peer.releaseAll([...nodes]);
  }

  closeAll(): void {
    for (const name of this.nodes.keys()) this.close(name);
  }

  protected override facetFor(sender: Connection, { context }: StandInNode): Facet | null {
    if (!(context instanceof GateSpot)) return null;
    return this.attachment.driver.registry.grants.withServiceToStart(sender, context.name).facet;
  }

  protected nodeAbandoned(node: StandInNode): void {
    if (!(node.context instanceof GateSpot)) return;
    const { name } = node.context;
    const nodes = this.nodes.get(name);
    nodes?.delete(node);
    if (nodes?.size === 0) this.nodes.delete(name);
  }
}
