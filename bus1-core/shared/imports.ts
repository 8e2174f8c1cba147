import type { Node } from '../node.js';
import type { Link } from './link.js';

/** A node of another process, of which this one holds handles. It is the `context` of the proxy node. */
export class Import {
  readonly link: Link;
  readonly id: number;
  readonly node: Node;
  /** how many times it was handed over and not given back */
  references: number;

  constructor(link: Link, id: number, node: Node) {
    this.link = link;
    this.id = id;
    this.node = node;
    this.references = 1;
    node.context = this;
  }
}
